import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { constants, PerformanceObserver } from 'node:perf_hooks'
import process from 'node:process'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { collectBuffersWithHeap } from './buffer-memory.ts'

const bufferBytes = 64 * 1024
const buffers = 16 * 1024

const liveObjects = 1_000_000
/** Some 80 MiB that stay, as in a peer with many pins. */
const live = Array.from({ length: liveObjects }, (_, i) => ({ text: `${i}` }))

/** How often the whole heap is looked through while buffers are made and forgotten. */
async function collections (): Promise<number> {
  let count = 0
  const observer = new PerformanceObserver(list => {
    for (const { detail } of list.getEntries() as Array<{ detail?: { kind?: number } }>) if (detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR) count++
  })
  observer.observe({ entryTypes: ['gc'] })
  for (let i = 0; i < buffers; i++) {
    Buffer.allocUnsafeSlow(bufferBytes).fill(i, 0, 8)
    if (i % 16 === 0) await setImmediate()
  }
  await setImmediate()
  observer.disconnect()
  return count
}

test('buffers that come and go seldom have the whole heap looked through', async () => {
  const before = await collections()
  collectBuffersWithHeap()
  const after = await collections()
  assert.equal(live.length, liveObjects)
  assert.ok(after < before * 0.8, `${before} collections before, ${after} after`)
})

test('the runtime knows the setting: it would say so on every start otherwise', () => {
  const module = JSON.stringify(new URL('buffer-memory.ts', import.meta.url).href)
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', `(await import(${module})).collectBuffersWithHeap()`], { encoding: 'utf8' })
  assert.deepEqual({ stdout, stderr, status }, { stdout: '', stderr: '', status: 0 })
})
