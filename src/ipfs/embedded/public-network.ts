import { join } from 'node:path'
import type { Provider } from '@helia/interface'
import type { bootstrap } from '@libp2p/bootstrap'
import type { Libp2p } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'
import { errorText } from '../../domain/errors.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import { sleep, type Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { Slots } from './slots.ts'

export interface PublicNetworkOptions {
  readonly folder: string
  readonly bootstrap: readonly Multiaddress[]
  readonly publicNetwork: boolean
}

type Discovery = ReturnType<typeof bootstrap>

/** What a host gets besides the plain parts. Outside of the public network that is next to nothing. */
export interface PublicNetworkParts {
  // The service map of libp2p is open: each service brings its own type.
  readonly services: Record<string, never>
  readonly peerDiscovery: Discovery[]
  readonly datastore: Datastore | undefined
  findProviders (libp2p: Libp2p, cid: CID, signal: AbortSignal | undefined, clock: Clock): AsyncIterable<Provider>
  provide (libp2p: Libp2p, cid: CID, logger: Logger): void
  close (): Promise<void>
}

/** The nodes by which everyone enters the public network (Kubo, config/bootstrap_peers.go). */
const publicBootstrap = [
  '/dnsaddr/bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN',
  '/dnsaddr/bootstrap.libp2p.io/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb',
  '/dnsaddr/bootstrap.libp2p.io/p2p/QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt',
  '/dnsaddr/va1.bootstrap.libp2p.io/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8',
  '/ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ',
]

const dhtProtocol = '/ipfs/kad/1.0.0'
/** Time before a first bootstrap dial: the node has its own addresses by then. */
const bootstrapAfterMs = 100
/** Connected nodes get this long to bring a block before the DHT is asked who else may have it. */
const findAfterMs = 1_000
/** Questions to the DHT at a time; each asks some ten nodes. */
const findsAtOnce = 4
const providesAtOnce = 4
/** Announcements that may wait; more are left to the next time the content is pinned. */
const maxWaitingProvides = 10_000

/** The parts of libp2p that the options ask for. */
export async function publicNetworkParts ({ folder, bootstrap, publicNetwork }: PublicNetworkOptions): Promise<PublicNetworkParts> {
  const list = bootstrap.length > 0 ? [...bootstrap] : publicNetwork ? publicBootstrap : []
  const peerDiscovery = list.length === 0 ? [] : [await bootstrapTo(list)]
  if (!publicNetwork) return { services: {}, peerDiscovery, datastore: undefined, findProviders: nobody, provide: () => {}, close: async () => {} }

  const [{ kadDHT, passthroughMapper, removePrivateAddressesMapper }, { LevelDatastore }] = await Promise.all([import('@libp2p/kad-dht'), import('datastore-level')])
  // A network of one's own whose entrances have private addresses only is not the Internet: its
  // nodes reach each other by such addresses, and each can serve the DHT.
  const isLocal = bootstrap.length > 0 && bootstrap.every(isPrivateAddress)
  const dht = kadDHT({ protocol: dhtProtocol, peerInfoMapper: isLocal ? passthroughMapper : removePrivateAddressesMapper, ...(isLocal ? { clientMode: false } : {}) })
  // On disk, because the DHT renews what this node has announced before its last stop.
  const datastore = new LevelDatastore(join(folder, 'network'))
  await datastore.open()
  const provide = providerQueue()
  return { services: { dht } as unknown as Record<string, never>, peerDiscovery, datastore, findProviders: finder(), provide: provide.add, close: async () => { provide.close(); await datastore.close() } }
}

async function bootstrapTo (list: string[]): Promise<Discovery> {
  const [{ bootstrap }, { KEEP_ALIVE }] = await Promise.all([import('@libp2p/bootstrap'), import('@libp2p/interface')])
  return bootstrap({ list, timeout: bootstrapAfterMs, tagName: `${KEEP_ALIVE}-bootstrap` })
}

async function * nobody (): AsyncGenerator<Provider> {}

function finder (): PublicNetworkParts['findProviders'] {
  const slots = new Slots(findsAtOnce)
  return async function * (libp2p, cid, signal = new AbortController().signal, clock) {
    await sleep(clock, findAfterMs, signal)
    const giveBack = await slots.take(signal)
    try {
      for await (const { id, multiaddrs } of libp2p.contentRouting.findProviders(cid, { signal })) {
        if (!id.equals(libp2p.peerId)) yield { id: id.toCID(), multiaddrs, router: 'dht', fallback: false }
      }
    } finally {
      giveBack()
    }
  }
}

function providerQueue (): { add: PublicNetworkParts['provide'], close: () => void } {
  const slots = new Slots(providesAtOnce)
  const closing = new AbortController()
  let waiting = 0
  return {
    add: (libp2p, cid, logger) => {
      if (waiting >= maxWaitingProvides) return
      waiting++
      slots.run(closing.signal, async () => { await libp2p.contentRouting.provide(cid, { signal: closing.signal }) })
        .catch((error: unknown) => { if (!closing.signal.aborted) logger.debug({ cid: cid.toString(), error: errorText(error) }, 'the content could not be announced to the public network') })
        .finally(() => { waiting-- })
    },
    close: () => { closing.abort() },
  }
}

function isPrivateAddress (address: Multiaddress): boolean {
  return /^\/ip4\/(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)|^\/ip6\/(::1|f[cd])/.test(address)
}
