import assert from 'node:assert/strict'
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** A file that takes nothing, as on a full disk. */
const full = '/dev/full'
const skip = existsSync(full) ? false : `this system has no ${full}`
const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Runs this Node with one of its outputs on the full disk. */
function runWith (output: 'stdout' | 'stderr', args: readonly string[]): SpawnSyncReturns<string> {
  const file = openSync(full, 'w')
  try {
    return spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', output === 'stdout' ? file : 'pipe', output === 'stderr' ? file : 'pipe'] })
  } finally {
    closeSync(file)
  }
}

test('a daemon whose log is on a full disk goes on', { skip }, () => {
  const program = `
    const [{ processTerminal }, { openLoggers, parseLogLevels }] = await Promise.all([import('${pathOf('command-line/process-terminal.ts')}'), import('${pathOf('loggers.ts')}')])
    const terminal = processTerminal()
    const logger = (await openLoggers(parseLogLevels('info', false).levels, {}, 'json')).component('cluster')
    logger.info('at the next turn')
    logger.error('at once')
    await terminal.stderr.write('to the terminal')
    await new Promise(resolve => setImmediate(resolve))
    logger.info('again')
    await new Promise(resolve => setImmediate(resolve))
    await terminal.stderr.write('again')
    await terminal.stdout.write('alive')
  `
  const { status, stdout } = runWith('stderr', ['--input-type=module', '--eval', program])
  assert.deepEqual([status, stdout], [0, 'alive'])
})

test('a command whose output there is no room for says so', { skip }, () => {
  const { status, stderr } = runWith('stdout', [pathOf('ctl/main.ts'), 'commands'])
  assert.equal(status, 1)
  assert.match(stderr, /^error writing to stdout: ENOSPC: [^\n]*\n$/)
})
