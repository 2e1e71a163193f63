/**
 * Runs the tests and closes with one line: `N passed, N failed, N skipped`.
 * Arguments are files or globs; without any, all tests that need no other program than what is found.
 */
import { createWriteStream } from 'node:fs'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { glob } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'

const patterns = process.argv.slice(2)
const files: string[] = []
for await (const file of glob(patterns.length > 0 ? patterns : ['src/**/*.test.ts', 'test/**/*.test.ts'])) files.push(resolve(file))
if (files.length === 0) {
  console.error(`no test matches ${patterns.join(' ')}`)
  process.exit(1)
}

let passed = 0
let failed = 0
let skipped = 0
const stream = run({ files: files.toSorted(), concurrency: Math.max(1, availableParallelism()), timeout: 600_000 })
stream.on('test:pass', event => {
  if (event.skip !== undefined && event.skip !== false) skipped++
  else if (event.details.type !== 'suite') passed++
})
stream.on('test:fail', event => { if (event.details.type !== 'suite') failed++ })
stream.compose(spec).pipe(process.env['FLOTILLA_TEST_LOG'] === undefined ? process.stdout : createWriteStream(process.env['FLOTILLA_TEST_LOG']))
stream.on('end', () => {
  // After what the reporter still has to write.
  setImmediate(() => {
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
    process.exitCode = failed > 0 || passed === 0 ? 1 : 0
  })
})
