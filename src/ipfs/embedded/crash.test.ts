import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseCid, type Cid } from '../../domain/cid.ts'
import { embeddedConnector } from './embedded-connector.ts'
import { nodeOptions, platform } from './node-for-tests.ts'
import { contentOf } from './crash-worker.ts'

const rounds = Number(process.env.FLOTILLA_CRASH_ROUNDS ?? 4)

/** Runs the worker until it has acknowledged `acknowledgements` things more, then kills it at once. Answers what it acknowledged. */
async function workAndKill (folder: string, round: number, acknowledgements: number): Promise<string[]> {
  const worker = spawn(process.execPath, [join(import.meta.dirname, 'crash-worker.ts'), folder, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const done: string[] = []
  for await (const line of createInterface({ input: worker.stdout })) {
    done.push(line)
    if (done.length === acknowledgements) worker.kill('SIGKILL')
  }
  return done
}

test('what was acknowledged before kill -9 is there after it, and nothing is there by half', { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'crash-'))
  try {
    const put = new Set<string>()
    const pinned = new Map<Cid, boolean>()
    for (let round = 0; round < rounds; round++) {
      for (const line of await workAndKill(folder, round, 20 + round * 37)) {
        const [what = '', name = ''] = line.split(' ')
        if (what === 'put') put.add(name)
        else pinned.set(parseCid(name), what === 'pin')
      }
      const node = embeddedConnector(nodeOptions(folder, { listenAddresses: [] }), platform)
      await node.start(new AbortController().signal)
      for (const name of put) {
        for (const { cid, bytes } of contentOf(name)) assert.ok(Buffer.from(bytes).equals(await node.getBlock(parseCid(cid.toString()))), `${cid} of ${name} in round ${round}`)
      }
      const listed = new Map<Cid, string>()
      for await (const batch of node.listPins()) for (const { cid, type } of batch) listed.set(cid, type)
      for (const [cid, isPinned] of pinned) assert.equal(listed.has(cid), isPinned, `${cid} in round ${round}`)
      await node.stop()
    }
    assert.ok(put.size > 0 && pinned.size > 0)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
