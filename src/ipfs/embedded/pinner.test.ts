import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { ClusterError } from '../../domain/errors.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import type { BlockExchange } from './block-exchange.ts'
import type { BlockStore } from './block-store.ts'
import { rawBlock, textOf } from './node-for-tests.ts'
import { Pinner } from './pinner.ts'
import type { PinSet } from './pin-set.ts'

/** A node without blocks, whose pins are looked up with `depth`, and which no other node gives anything. */
function emptyNode (depth: () => Promise<number | undefined>): Pinner {
  return new Pinner({
    store: { locate: async (keys: readonly string[]) => keys.map(() => undefined), endLease: async () => {} } as unknown as BlockStore,
    pins: { depth } as unknown as PinSet,
    exchange: { fetch: (_cid: Uint8Array, signal: AbortSignal) => new Promise((_, reject) => { signal.addEventListener('abort', () => { reject(signal.reason) }) }) } as unknown as BlockExchange,
    clock: virtualClock(),
    walkFolder: tmpdir(),
    pinTimeoutMs: 120_000,
    onPinned: () => {},
  })
}

test('a pin that is ended while it looks for itself is over at once', { timeout: 20_000 }, async () => {
  const caller = new AbortController()
  const ended = new ClusterError('CANCELLED', 'nobody wants it any more')
  const pinner = emptyNode(async () => {
    caller.abort(ended)
    return undefined
  })
  await assert.rejects(pinner.pin({ cid: textOf(rawBlock('nowhere').cid), depth: -1 }, { signal: caller.signal }), ended)
  assert.deepEqual(pinner.underWay(), [])
})
