import type { MessageStream } from '@libp2p/interface'

/** Frames that may wait while the other side takes nothing: each of thousands of streams has some, then it waits for room. */
const maxUnsentFrames = 65_536

/**
 * Cuts a connection off whose other side takes nothing and yet makes this one answer. Streams wait for
 * room, but answers of the muxer itself do not (pings, ends and beginnings of streams), and each costs
 * twenty times what it takes on the wire.
 */
export function limitUnsentFrames (connection: MessageStream): void {
  const send = connection.send.bind(connection)
  let unsent = 0
  connection.addEventListener('drain', () => { unsent = 0 })
  connection.send = data => {
    if (unsent > maxUnsentFrames) return false
    const hasRoom = send(data)
    unsent = hasRoom ? 0 : unsent + 1
    // Not in the midst of what the muxer does with this frame.
    if (unsent > maxUnsentFrames) queueMicrotask(() => { connection.abort(new Error('the other side asks on and on, and takes no answers')) })
    return hasRoom
  }
}
