import type { Clock } from '../clock.ts'

/**
 * Loads the parts of libp2p that every host has, one after the other, most used ones first. To
 * load them takes a quarter of a second in which Node does nothing else; between the parts what
 * else waits gets its turn, for this happens when the REST API already answers.
 */
export async function loadHostModules (clock: Clock) {
  const turn = (): Promise<void> => new Promise(resolve => { clock.soon(resolve) })
  const loaded = async <T>(part: Promise<T>): Promise<T> => {
    const module = await part
    await turn()
    return module
  }
  await loaded(import('@multiformats/multiaddr'))
  const { privateKeyFromProtobuf } = await loaded(import('@libp2p/crypto/keys'))
  await loaded(import('@libp2p/utils'))
  const { FaultTolerance } = await loaded(import('@libp2p/interface'))
  const { tcp } = await loaded(import('@libp2p/tcp'))
  const { yamux } = await loaded(import('@libp2p/yamux'))
  const { noise } = await loaded(import('@libp2p/noise'))
  const { identify, identifyPush } = await loaded(import('@libp2p/identify'))
  const { ping } = await loaded(import('@libp2p/ping'))
  const { gossipsub } = await loaded(import('@libp2p/gossipsub'))
  const { createLibp2p } = await loaded(import('libp2p'))
  return { privateKeyFromProtobuf, tcp, yamux, noise, identify, identifyPush, ping, gossipsub, createLibp2p, FaultTolerance }
}
