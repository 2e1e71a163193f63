import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { systemRandom } from '../random.ts'
import { virtualClock } from '../virtual-clock.ts'
import { isOfInternet } from './addresses.ts'
import type { OutsideComponents } from './outside-components.ts'
import { Reachability } from './reachability.ts'

/** A host without connections: what others tell it comes as events. */
class Told {
  readonly events = new EventTarget()
  readonly announced = new Set<string>()
  readonly reachability: Reachability

  constructor () {
    const components = {
      events: this.events,
      connectionManager: { getConnections: () => [] },
      addressManager: {
        getAddressesWithMetadata: () => [{ multiaddr: multiaddr('/ip4/192.168.1.5/tcp/9096'), type: 'transport', verified: true }],
        confirmObservedAddr: (address: Multiaddr) => { this.announced.add(address.toString()) },
        removeObservedAddr: (address: Multiaddr) => { this.announced.delete(address.toString()) },
      },
    } as unknown as OutsideComponents
    this.reachability = new Reachability({ components, clock: virtualClock(), random: systemRandom, isOfInternet, onStatus: () => {} })
    this.reachability.start()
  }

  /** A peer that has dialled this one says where. */
  tell (peer: string, from: string, seen: string): void {
    const connection = { direction: 'inbound', limits: undefined, remotePeer: { toString: () => peer }, remoteAddr: multiaddr(from) }
    this.events.dispatchEvent(new CustomEvent('peer:identify', { detail: { connection, protocols: [], observedAddr: multiaddr(seen) } }))
  }
}

test('where peers of the same network have found this one is announced, and says nothing of those outside', () => {
  const told = new Told()
  told.tell('neighbour', '/ip4/192.168.1.6/tcp/40000', '/ip4/5.5.5.5/tcp/9096')
  assert.deepEqual([...told.announced], ['/ip4/5.5.5.5/tcp/9096'])
  assert.equal(told.reachability.status, 'unknown')
  told.tell('far', '/ip4/6.6.6.6/tcp/40000', '/ip4/5.5.5.5/tcp/9096')
  assert.equal(told.reachability.status, 'public')
  told.reachability.stop()
})

test('a peer that makes up addresses has two of them announced, and leaves room for what others tell', () => {
  const told = new Told()
  for (let i = 1; i <= 100; i++) told.tell('liar', '/ip4/6.6.6.6/tcp/40000', `/ip4/7.7.7.7/tcp/${i}`)
  told.tell('honest', '/ip4/8.8.8.8/tcp/40000', '/ip4/5.5.5.5/tcp/9096')
  for (const own of ['/ip4/192.168.1.5/tcp/9096', '/ip4/127.0.0.1/tcp/9096', '/dns4/example.org/udp/1', '/ip4/6.6.6.6/tcp/1/p2p/12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7/p2p-circuit']) told.tell('honest', '/ip4/8.8.8.8/tcp/40000', own)
  assert.deepEqual([...told.announced], ['/ip4/7.7.7.7/tcp/1', '/ip4/7.7.7.7/tcp/2', '/ip4/5.5.5.5/tcp/9096'])
  for (let i = 0; i < 20; i++) told.tell(`peer ${i}`, '/ip4/8.8.8.8/tcp/40000', `/ip4/9.9.9.9/tcp/${i + 1}`)
  assert.equal(told.announced.size, 10)
  told.reachability.stop()
})
