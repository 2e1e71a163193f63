import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plantedBugs } from './bugs/planted.ts'
import { simulate, type SimulationResult } from './simulate.ts'

/** Short runs: `npm run sim` makes long ones. */
const brief = { peers: 5, rounds: 1, roundMs: 60_000 }
const seeds = Array.from({ length: 10 }, (_, n) => n + 1)

test('whole clusters keep their promises whatever happens to them', async () => {
  let acknowledged = 0
  for (const seed of seeds) {
    const result = await simulate({ ...brief, seed })
    assert.deepEqual(result.violations, [], `seed ${seed}: npm run sim -- --seed ${seed} --rounds ${brief.rounds} --minutes ${brief.roundMs / 60_000}`)
    acknowledged += result.acknowledged
  }
  assert.ok(acknowledged > 100, `only ${acknowledged} changes were acknowledged`)
})

test('a seed can be replayed: everything happens again, to the same trace', async () => {
  const lines: string[] = []
  const first = await simulate({ ...brief, seed: 3 })
  const second = await simulate({ ...brief, seed: 3, print: line => { lines.push(line) } })
  const other = await simulate({ ...brief, seed: 4 })
  assert.equal(second.hash, first.hash)
  assert.equal(second.events, first.events)
  assert.notEqual(other.hash, first.hash)
  assert.ok(lines.length >= first.events)
})

for (const name of ['no fsync', 'answer from memory', 'no second try', 'blocks that nobody took']) {
  test(`the checks notice a planted bug: ${name}`, async () => {
    const bug = plantedBugs.find(planted => planted.name === name)
    assert.ok(bug !== undefined)
    let found: SimulationResult | undefined
    for (let seed = 1; seed <= 10 && found === undefined; seed++) {
      const result = await simulate({ ...brief, roundMs: 240_000, seed, bugs: bug.plant })
      if (result.violations.length > 0) found = result
    }
    assert.ok(found !== undefined)
  })
}
