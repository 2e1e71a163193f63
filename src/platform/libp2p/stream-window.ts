import type { Stream, StreamMuxer } from '@libp2p/interface'

/** What yamux (8.0) keeps to itself: how much the other side may send in all, and how much of that is left. */
interface Window {
  recvWindow?: number
  recvWindowCapacity?: number
  sendWindowUpdate?: () => void
  readonly state?: number
}

/** State of a stream both of whose ends know of it. */
const establishedState = 3

/**
 * Bytes that the other side may send before it hears of room again. With 10 MiB/s and 100 ms
 * between two peers it does not hold the sender up. A stream begins with 256 KiB (yamux spec).
 */
export const streamWindowBytes = 1024 * 1024

/**
 * Tells the other side of new room when half of the window is used up, and when the reader has
 * room. yamux alone tells it with each piece that comes, whether somebody reads or not: a third of
 * the receiver's work, and no limit. Returns what is to be called when the reader has taken
 * something; undefined when the stream is none of yamux's.
 */
export function paceWindow (stream: Stream, hasRoom: () => boolean): (() => void) | undefined {
  const window = stream as Window
  const send = window.sendWindowUpdate?.bind(stream)
  if (send === undefined || window.recvWindow === undefined || window.recvWindowCapacity === undefined) return undefined
  const update = (): void => {
    const { recvWindow, recvWindowCapacity } = window as Required<Window>
    if (recvWindowCapacity > recvWindow / 2 || !hasRoom()) return
    // Only streams that carry much come here: from now on they may have more on the way.
    window.recvWindow = Math.max(recvWindow, streamWindowBytes)
    send()
  }
  window.sendWindowUpdate = update
  return update
}

/**
 * Has the streams of a muxer tell of new room when half of the window is used up. yamux alone
 * answers each piece that comes, as each message of gossip, with a frame of its own.
 */
export function spareWindowUpdates (muxer: StreamMuxer): void {
  const insides = muxer as unknown as { _newStream?: (...how: unknown[]) => Window }
  const make = insides._newStream?.bind(muxer)
  if (make === undefined) return
  insides._newStream = (...how) => {
    const stream = make(...how)
    const send = stream.sendWindowUpdate?.bind(stream)
    if (send === undefined) return stream
    stream.sendWindowUpdate = () => {
      const { state, recvWindow = 0, recvWindowCapacity = 0 } = stream
      // Until it is established an update also tells the other side of the stream itself.
      if (state !== establishedState || recvWindowCapacity <= recvWindow / 2) send()
    }
    return stream
  }
}
