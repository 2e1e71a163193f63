import assert from 'node:assert/strict'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { sleep, systemClock } from '../clock.ts'
import type { Platform } from '../lifecycle.ts'
import type { Loggers } from '../logger.ts'
import { loneNetwork } from '../lone-network.ts'
import { noMetrics } from '../metrics.ts'
import type { Network, PeerStream } from '../network.ts'
import { systemRandom } from '../random.ts'
import { Gossip } from './gossip.ts'
import { libp2pNetwork } from './libp2p-network.ts'
import type { NetworkSettings } from './network-settings.ts'

export const testSecret = new Uint8Array(32).fill(7)

export const testSettings: NetworkSettings = {
  secret: testSecret,
  listenMultiaddress: ['/ip4/127.0.0.1/tcp/0' as Multiaddress],
  announceMultiaddress: [],
  noAnnounceMultiaddress: [],
  enableRelayHop: true,
  connectionManager: { highWater: 400, lowWater: 100, gracePeriodMs: 120_000 },
  resourceManager: { enabled: true, memoryLimitBytes: 0, fileDescriptorsLimit: 0 },
  pubsub: { heartbeatIntervalMs: 10_000, dFactor: 4, historyGossip: 2, historyLength: 6, floodPublish: false },
  dialPeerTimeoutMs: 3_000,
  mdnsIntervalMs: 0,
  followerMode: false,
}

/** Gossip of a host that has no network of ours. */
export function lonelyGossip (guard = (_topic: string, work: () => void): void => { work() }): Gossip {
  return new Gossip({ clock: systemClock, network: loneNetwork('' as PeerId), floods: false, guard })
}

export interface TestNetwork { readonly network: Network, readonly self: PeerId, readonly log: readonly string[] }

export async function testIdentity (): Promise<{ id: PeerId, privateKey: Uint8Array }> {
  const key = await generateKeyPair('Ed25519')
  return { id: peerIdFromPrivateKey(key).toString() as PeerId, privateKey: privateKeyToProtobuf(key) }
}

/** A network with a new identity or the one given, on loopback, not started; it is stopped at the end of the test. */
export async function testNetwork (test: { after (work: () => Promise<void>): void }, settings: Partial<NetworkSettings> = {}, identity?: Awaited<ReturnType<typeof testIdentity>>, isOfInternet?: (address: string) => boolean): Promise<TestNetwork> {
  identity ??= await testIdentity()
  const self = identity.id
  const log: string[] = []
  const network = libp2pNetwork({ identity, settings: { ...testSettings, ...settings }, platform: testPlatform(log), ...(isOfInternet && { isOfInternet }) })
  test.after(() => network.stop())
  return { network, self, log }
}

/** Started networks, each connected to all before it. */
export async function connectedNetworks (test: { after (work: () => Promise<void>): void }, count: number, settings: Partial<NetworkSettings> = {}): Promise<TestNetwork[]> {
  const networks: TestNetwork[] = []
  for (let i = 0; i < count; i++) {
    const next = await testNetwork(test, settings)
    await next.network.start(new AbortController().signal)
    for (const { network } of networks) {
      const seen = hasPeer(network, next.self)
      await next.network.connect(network.addresses()[0] as Multiaddress, {})
      await seen
    }
    networks.push(next)
  }
  return networks
}

/** Resolves when the network has a connection to the peer: the one that is dialled sees it later than the other. */
export function hasPeer (network: Network, peer: PeerId): Promise<void> {
  return new Promise(resolve => {
    const end = network.onPeer((connected, isConnected) => {
      if (!isConnected || connected !== peer) return
      end()
      resolve()
    })
    if (network.peers().includes(peer)) { end(); resolve() }
  })
}

const patienceMs = 50_000

/** Resolves when the condition is true: it is looked at again and again. */
export async function until (condition: () => boolean): Promise<void> {
  const end = systemClock.monotonic() + patienceMs
  while (!condition()) {
    if (systemClock.monotonic() > end) throw new Error(`waited in vain for ${condition.toString()}`)
    await sleep(systemClock, 10)
  }
}

/** All that the other side sends to its end. */
export async function read (stream: PeerStream): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream.incoming) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Sends back what comes. */
export function serveEcho ({ network }: TestNetwork): void {
  network.handle('/echo', stream => {
    void (async () => {
      await stream.write(await read(stream))
      await stream.closeWrite()
    })().catch(() => {})
  })
}

/** @throws AssertionError when another answer comes than was sent */
export async function echo (from: TestNetwork, to: TestNetwork, data: Uint8Array = Buffer.from('hello')): Promise<void> {
  const stream = await from.network.open(to.self, '/echo', {})
  await stream.write(data)
  await stream.closeWrite()
  assert.equal((await read(stream)).equals(data), true)
}

export function testPlatform (log: string[]): Platform {
  const line = (level: string) => (first: object | string, second?: string): void => { log.push(`${level} ${second ?? first as string}`) }
  const logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
  const loggers: Loggers = { component: () => logger }
  return { clock: systemClock, random: systemRandom, loggers, metrics: noMetrics }
}
