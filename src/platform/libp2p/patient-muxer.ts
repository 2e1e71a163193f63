import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { spareWindowUpdates } from './stream-window.ts'
import { limitUnsentFrames } from './unsent-frames.ts'

/**
 * A muxer that takes nothing in before libp2p listens for its streams. libp2p makes the muxer some
 * turns before it listens; a peer that opens a stream, asks and half-closes meanwhile (Go peers do,
 * in the packet that ends the handshake) would find its request thrown away: of bytes that arrived
 * before the choice of the protocol began, those behind it cannot be put back once the other side
 * has closed. And one that holds no more than so much for who does not read.
 */
export function patientMuxer<Components> (make: (components: Components) => StreamMuxerFactory): (components: Components) => StreamMuxerFactory {
  return components => {
    const factory = make(components)
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = connection => {
      limitUnsentFrames(connection)
      const muxer = create(connection)
      spareWindowUpdates(muxer)
      return untilHeard(muxer, connection)
    }
    return factory
  }
}

function untilHeard (muxer: StreamMuxer, connection: MessageStream): StreamMuxer {
  connection.pause()
  const listen = muxer.addEventListener.bind(muxer) as (...listener: unknown[]) => void
  muxer.addEventListener = (...listener: unknown[]) => {
    listen(...listener)
    if (listener[0] !== 'stream') return
    muxer.addEventListener = listen
    // The connection may have ended meanwhile.
    if (connection.status === 'open') connection.resume()
  }
  return muxer
}
