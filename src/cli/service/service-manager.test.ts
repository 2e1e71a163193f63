import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Logger } from '../../platform/logger.ts'
import { tellReady } from './service-manager.ts'

/** A folder with a program in the place of systemd's. */
function withProgram (t: TestContext, script: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'notify-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return folder
}

function listening (): { logger: Logger, warnings: string[] } {
  const warnings: string[] = []
  const silent = (): void => {}
  return { warnings, logger: { debug: silent, info: silent, warn: (text: string | object) => { warnings.push(String(text)) }, error: silent } }
}

const windows = process.platform === 'win32' ? 'systemd does not run here' : false

test('the service manager is told over the socket that it has named', { skip: windows }, async t => {
  const folder = withProgram(t, 'printf "%s %s" "$NOTIFY_SOCKET" "$*" > "$TOLD"')
  const told = join(folder, 'told')
  const { logger, warnings } = listening()
  await tellReady({ PATH: `${folder}:${process.env.PATH}`, TOLD: told, NOTIFY_SOCKET: '/run/of-this-unit' }, logger)
  assert.equal(readFileSync(told, 'utf8'), '/run/of-this-unit --ready')
  assert.deepEqual(warnings, [])
})

test('without a service manager no program is run', { skip: windows }, async t => {
  const folder = withProgram(t, 'exit 1')
  const { logger, warnings } = listening()
  await tellReady({ PATH: folder }, logger)
  await tellReady({ PATH: folder, NOTIFY_SOCKET: '' }, logger)
  assert.deepEqual(warnings, [])
})

test('what fails is said with what to do', { skip: windows }, async t => {
  const folder = withProgram(t, 'echo "Failed to notify init system: Permission denied" >&2; exit 1')
  const { logger, warnings } = listening()
  await tellReady({ PATH: folder, NOTIFY_SOCKET: '/x' }, logger)
  await tellReady({ PATH: '/nowhere', NOTIFY_SOCKET: '/x' }, logger)
  assert.deepEqual(warnings.map(text => text.replace(/^.*is ready: /, '')), [
    'Failed to notify init system: Permission denied: put systemd-notify on the PATH, or use a unit of Type=simple',
    'there is no program systemd-notify: put systemd-notify on the PATH, or use a unit of Type=simple',
  ])
})
