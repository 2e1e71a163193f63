import { parseCid } from '../../domain/cid.ts'
import type { CollectedKey } from '../../domain/repository.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import type { Deadline } from './exchange.ts'
import { notUnderstood, refusedWith } from './failures.ts'
import { itemStream } from './item-stream.ts'
import { lineObject, LineSplitter } from './json-lines.ts'
import type { KuboRpc } from './kubo-rpc.ts'

/** How the node ends a collection in which some blocks failed, having told of each. */
const someFailed = 'encountered errors during gc run'

/** Lets the node collect what is not pinned; yields as it goes, failures of single blocks too. */
export async function * collectGarbage (rpc: KuboRpc, deadline: Deadline, options: CallOptions): AsyncGenerator<CollectedKey[]> {
  const path = 'repo/gc?stream-errors=true'
  let hasToldOfFailures = false
  try {
    yield * itemStream<CollectedKey>(put => {
      const lines = new LineSplitter(path, (bytes, start, end) => {
        const key = collectedKey(path, bytes, start, end)
        hasToldOfFailures ||= key.error !== ''
        put(key)
      })
      return { exchange: rpc.start({ path, isLasting: true, deadline, signal: options.signal, onData: chunk => { lines.push(chunk) } }), end: () => { lines.end() } }
    })
  } catch (error) {
    if (!hasToldOfFailures || refusedWith(error) !== someFailed) throw error
  }
}

function collectedKey (path: string, bytes: Buffer, start: number, end: number): CollectedKey {
  const { Key: key, Error: error = '' } = lineObject(path, bytes, start, end)
  const text = typeof key === 'object' && key !== null && '/' in key ? key['/'] : undefined
  if (typeof error !== 'string' || (typeof text !== 'string' && error === '')) throw notUnderstood(path, bytes.toString('utf8', start, end))
  try {
    return { cid: typeof text === 'string' ? parseCid(text) : undefined, error }
  } catch {
    throw notUnderstood(path, bytes.toString('utf8', start, end))
  }
}
