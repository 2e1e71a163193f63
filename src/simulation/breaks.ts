import type { SimulatedPeer } from './simulated-peer.ts'

/** What may happen to a destination of an add, and what takes it back. */
export const breaks: ReadonlyArray<readonly [name: string, strike: (peer: SimulatedPeer) => void, repair: (peer: SimulatedPeer) => void]> = [
  ['IPFS full', peer => { peer.node.conditions.isFull = true }, peer => { peer.node.conditions.isFull = false }],
  ['IPFS hung', peer => { peer.node.conditions.isHung = true }, peer => { peer.node.conditions.isHung = false }],
  ['IPFS down', peer => { peer.node.conditions.isDown = true }, peer => { peer.node.conditions.isDown = false }],
  ['crash', peer => { peer.kill() }, peer => { peer.start() }],
  ['pause', peer => { peer.pause() }, peer => { peer.resume() }],
]
