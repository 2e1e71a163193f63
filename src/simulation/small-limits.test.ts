import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { runSeeds } from './many-seeds.ts'
import { smallLimits, withSmallLimits } from './small-limits.ts'

test('the limits that are made small are there, and are larger', async () => {
  for (const [file, limits] of Object.entries(smallLimits)) {
    const source = await readFile(new URL(`../${file}`, import.meta.url), 'utf8')
    const small = withSmallLimits(file, source)
    for (const [name, value] of Object.entries(limits)) {
      const valueIn = (text: string): number => (new RegExp(`const ${name} = ([\\d_ *]+)$`, 'm').exec(text)?.[1] ?? '').split('*').reduce((product, factor) => product * Number(factor.replaceAll('_', '')), 1)
      assert.equal(valueIn(small), value)
      assert.ok(valueIn(source) > value, `${file} ${name}`)
    }
  }
  assert.throws(() => withSmallLimits('rpc/framing.ts', 'const another = 1'), /no limit batchBytes/)
})

test('a seed with small limits is another run, and keeps all promises too', async () => {
  const task = { seed: 1, peers: 3, rounds: 1, roundMs: 60_000 }
  const events: number[] = []
  for (const hasSmallLimits of [false, true, true]) {
    await runSeeds([{ ...task, hasSmallLimits }], 1, result => {
      assert.deepEqual(result.violations, [])
      events.push(result.events)
      return false
    })
  }
  assert.notEqual(events[0], events[1])
  assert.equal(events[1], events[2])
})
