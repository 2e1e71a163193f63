import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterError } from '../domain/errors.ts'
import { silentLogger } from '../platform/logger.ts'
import { startAll, stopAll, type PeerComponent } from './components.ts'

/** Components of which `slow` is slow, those in `broken` do not start and those in `stuck` do not stop; and what happened to them. */
function scene ({ broken = {}, stuck = [] }: { broken?: Readonly<Record<string, Error>>, stuck?: readonly string[] } = {}) {
  const done: string[] = []
  const components = ['store', 'slow', 'tracker', 'api'].map((doing): PeerComponent => ({
    doing,
    isSlow: doing === 'slow',
    component: {
      start: async () => {
        if (broken[doing] !== undefined) throw broken[doing]
        done.push(`start ${doing}`)
      },
      stop: async () => {
        done.push(`stop ${doing}`)
        if (stuck.includes(doing)) throw new Error(`${doing} is stuck`)
      },
    },
  }))
  const logger = { ...silentLogger, error: (text: object | string) => { done.push(`error ${String(text)}`) } }
  const start = (signal = new AbortController().signal) => startAll(components, { signal, logger, onStarted: doing => { done.push(`started ${doing}`) }, beforeSlow: async () => { done.push('before slow') } })
  return { done, start, stop: () => stopAll(components, logger) }
}

test('all start in their order, what is slow at the end, and stop in the reverse of the order that they have', async () => {
  const { done, start, stop } = scene()
  await start()
  assert.deepEqual(done.splice(0), ['start store', 'started store', 'start tracker', 'started tracker', 'start api', 'started api', 'before slow', 'start slow', 'started slow'])
  assert.deepEqual(await stop(), [])
  assert.deepEqual(done, ['stop api', 'stop tracker', 'stop slow', 'stop store'])
})

test('when one does not start those before it are stopped, and the error says what was being done', async () => {
  const { done, start } = scene({ broken: { api: new ClusterError('INVALID_CONFIGURATION', 'the port is taken', { details: { port: 1 } }) } })
  await assert.rejects(start(), { code: 'INVALID_CONFIGURATION', message: 'the port is taken', details: { port: 1, doing: 'api' } })
  assert.deepEqual(done.filter(text => text.startsWith('stop')), ['stop tracker', 'stop store'])
  const named = new ClusterError('STORE_FAILED', 'disk', { details: { doing: 'opening the store' } })
  await assert.rejects(scene({ broken: { store: named } }).start(), named)
  const unknown = new Error('a fault')
  await assert.rejects(scene({ broken: { slow: unknown } }).start(), unknown)
})

test('a start that is given up goes no further', async () => {
  const { done, start } = scene()
  await assert.rejects(start(AbortSignal.abort(new Error('given up'))), { message: 'given up' })
  assert.deepEqual(done, [])
})

test('one that does not stop keeps no other from stopping', async () => {
  const { done, start, stop } = scene({ stuck: ['tracker'] })
  await start()
  done.length = 0
  assert.deepEqual((await stop()).map(error => (error as Error).message), ['tracker is stuck'])
  assert.deepEqual(done, ['stop api', 'stop tracker', 'error tracker: it did not stop in order: tracker is stuck', 'stop slow', 'stop store'])
})
