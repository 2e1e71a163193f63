import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Loggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { saveAddresses } from './address-book.ts'

const address = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as Multiaddress

test('a book that cannot be written is told of once, and again when it could be written meanwhile', async () => {
  const clock = virtualClock()
  const errors: string[] = []
  const silent = (): void => {}
  const loggers: Loggers = { component: () => ({ debug: silent, info: silent, warn: silent, error: (text: string | object) => { errors.push(String(text)) } }) }
  const platform: Platform = { clock, random: systemRandom, loggers, metrics: noMetrics }
  const ending = new AbortController()
  let known = [address]
  let isReadOnly = true
  const written: string[] = []
  const book = {
    read: () => [],
    write (addresses: readonly Multiaddress[]) {
      if (isReadOnly) throw new Error('read-only file system')
      written.push(addresses.join(' '))
    },
  }
  const saving = saveAddresses({ knownPeers: () => ['peer' as PeerId], knownAddresses: () => known }, book, platform, ending.signal)
  await clock.advance(60_000)
  assert.equal(errors.length, 1)
  isReadOnly = false
  await clock.advance(60_000)
  assert.deepEqual(written, [address])
  isReadOnly = true
  known = ['/dns4/a/tcp/1' as Multiaddress, address]
  await clock.advance(60_000)
  assert.equal(errors.length, 2)
  isReadOnly = false
  ending.abort()
  await clock.advance(1)
  await saving
  assert.deepEqual(written, [address, '/dns4/a/tcp/1'])
})
