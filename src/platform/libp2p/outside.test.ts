import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import { virtualClock } from '../virtual-clock.ts'
import type { Reservations } from './auto-relay.ts'
import { testIdentity, testPlatform } from './network.fixture.ts'
import type { OutsideComponents } from './outside-components.ts'
import { outsideParts } from './outside.ts'
import { limitRouters, type RouterSearch } from './router-limit.ts'
import { silentLibp2pLogger } from './silent-libp2p-logger.ts'

test('a relay that was gone for a moment is asked again', async () => {
  const relay = peerIdFromString((await testIdentity()).id)
  let dials = 0
  const components = {
    peerId: peerIdFromString((await testIdentity()).id),
    events: new EventTarget(),
    peerStore: { merge: async () => {} },
    connectionManager: {
      getConnections: () => [],
      openConnection: async () => {
        dials++
        throw Object.assign(new Error('it is gone'), { name: 'DialError' })
      },
    },
    logger: silentLibp2pLogger,
  } as unknown as OutsideComponents
  const { transport } = outsideParts({ platform: { ...testPlatform([]), clock: virtualClock() }, enableRelayHop: false, mapsPorts: false, isOfInternet: () => true })
  const { reservationStore } = transport(components) as unknown as { readonly reservationStore: Reservations }
  for (let i = 0; i < 2; i++) await assert.rejects(reservationStore.addRelay(relay, 'configured'), /it is gone/)
  assert.equal(dials, 2)
})

test('somebody who answers the search for a router with ever new ones is not listened to for ever', async () => {
  let found = 0
  const search: RouterSearch = {
    async * findGateways () { for (;;) yield { id: `router ${found++ >> 1}`, family: found % 2 === 0 ? 'IPv4' : 'IPv6' } },
  }
  limitRouters(search)
  const routers: string[] = []
  for await (const { id, family } of search.findGateways()) routers.push(`${family} ${id}`)
  assert.equal(routers.length, 8)
  // The next search finds those that are known, and no more.
  found = 0
  for await (const { id, family } of search.findGateways()) assert.ok(routers.includes(`${family} ${id}`))
})
