import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { virtualClock } from '../virtual-clock.ts'
import { isOfInternet } from './addresses.ts'
import { AutoRelay, type Reservations } from './auto-relay.ts'
import { testIdentity } from './network.fixture.ts'
import type { OutsideComponents } from './outside-components.ts'

const hop = '/libp2p/circuit/relay/0.2.0/hop'

/** A host with relays among its connections, each of which answers as `answer` says: addresses, or a refusal. */
class Relays extends EventTarget {
  readonly announced = new Set<string>()
  readonly asked: string[] = []
  readonly components: OutsideComponents
  readonly answer = new Map<string, readonly string[] | undefined>()

  constructor () {
    super()
    const connections = () => [...this.answer.keys()].map(id => ({ remotePeer: peer(id), remoteAddr: multiaddr('/ip4/1.1.1.1/tcp/1'), status: 'open' }))
    this.components = {
      events: new EventTarget(),
      connectionManager: { getConnections: connections },
      peerStore: { get: async () => ({ protocols: [hop] }) },
      addressManager: {
        confirmObservedAddr: (address: Multiaddr) => { this.announced.add(address.toString()) },
        removeObservedAddr: (address: Multiaddr) => { this.announced.delete(address.toString()) },
      },
    } as unknown as OutsideComponents
  }

  get reservations (): Reservations { return this as unknown as Reservations }

  async addRelay (relay: PeerId): Promise<void> {
    this.asked.push(relay.toString())
    const addresses = this.answer.get(relay.toString())
    if (addresses === undefined) throw new Error('reservation failed with status RESERVATION_REFUSED')
    const detail = { relay, details: { reservation: { addrs: addresses.map(address => multiaddr(address).bytes) } } }
    this.dispatchEvent(new CustomEvent('relay:created-reservation', { detail }))
  }

  lose (id: string): void {
    this.answer.delete(id)
    this.dispatchEvent(new CustomEvent('relay:removed', { detail: { relay: peer(id), details: { reservation: { addrs: [] } } } }))
  }
}

const peer = (id: string): PeerId => ({ toString: () => id }) as PeerId

test('two relays are used, those that refuse are left alone, and nothing is announced any more when none is wanted', async () => {
  const clock = virtualClock()
  const relays = new Relays()
  const [full, a, b, c] = await Promise.all(Array.from({ length: 4 }, async () => String((await testIdentity()).id))) as [string, string, string, string]
  relays.answer.set(full, undefined)
  for (const [i, id] of [a, b, c].entries()) relays.answer.set(id, [`/ip4/2.2.2.${i}/tcp/1/p2p/${id}`, `/ip4/10.0.0.${i}/tcp/1/p2p/${id}`])
  const autoRelay = new AutoRelay({ components: relays.components, reservations: relays.reservations, clock, isOfInternet })
  autoRelay.isWanted = true
  await clock.advance(60_000)
  assert.deepEqual(relays.asked, [full, a, b])
  assert.deepEqual([...relays.announced], [`/ip4/2.2.2.0/tcp/1/p2p/${a}/p2p-circuit`, `/ip4/2.2.2.1/tcp/1/p2p/${b}/p2p-circuit`])
  assert.deepEqual([a, c].map(id => autoRelay.isRelay(peer(id))), [true, false])

  relays.lose(a)
  await clock.advance(60_000)
  assert.deepEqual([...relays.announced], [`/ip4/2.2.2.1/tcp/1/p2p/${b}/p2p-circuit`, `/ip4/2.2.2.2/tcp/1/p2p/${c}/p2p-circuit`])
  autoRelay.isWanted = false
  assert.deepEqual([...relays.announced], [])
  autoRelay.isWanted = true
  assert.equal(relays.announced.size, 2)
  relays.lose(b)
  // The one that refused may have room after a while.
  await clock.advance(15 * 60_000)
  assert.ok(relays.asked.filter(id => id === full).length > 1)
  autoRelay.stop()
})

test('a relay that makes up addresses is believed of no other peer, and of not many', async () => {
  const clock = virtualClock()
  const relays = new Relays()
  const [liar, other] = await Promise.all([testIdentity(), testIdentity()])
  relays.answer.set(liar.id, [
    `/ip4/2.2.2.2/tcp/1/p2p/${other.id}`, `/ip4/2.2.2.2/tcp/1/p2p/${other.id}/p2p-circuit/p2p/${liar.id}`,
    ...Array.from({ length: 1_000 }, (_, i) => `/ip4/3.3.3.3/tcp/${i + 1}/p2p/${liar.id}`),
  ])
  const autoRelay = new AutoRelay({ components: relays.components, reservations: relays.reservations, clock, isOfInternet })
  autoRelay.isWanted = true
  await clock.advance(1_000)
  assert.deepEqual([...relays.announced], Array.from({ length: 8 }, (_, i) => `/ip4/3.3.3.3/tcp/${i + 1}/p2p/${liar.id}/p2p-circuit`))
  autoRelay.stop()
})
