import { ClusterError } from '../domain/errors.ts'
import type { Cid } from '../domain/cid.ts'
import type { AddedOutput } from '../domain/peer.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Adder, AddOptions, UploadedEntry } from './adder.ts'
import type { DagAdderParts, DagStore } from './dag-store.ts'
import type { ImportEvent } from './import-unixfs.ts'
import { untilAborted } from './until-aborted.ts'

/**
 * The adder of a peer: imports what is uploaded, sends the blocks away as they are made and pins
 * every root at the end. What does the work is loaded with the first add: a start need not wait for it.
 */
export function dagAdder (parts: DagAdderParts): Adder {
  return { add: (entries, options, callOptions) => add(parts, entries, options, callOptions) }
}

async function * add (parts: DagAdderParts, entries: AsyncIterable<UploadedEntry>, options: AddOptions, callOptions: CallOptions): AsyncGenerator<AddedOutput> {
  const store = await openStore(parts, options, callOptions)
  const events = await importer(parts, guardEntries(entries, callOptions.signal), options, store)
  const roots = new Set<Cid>()
  let isFinished = false
  try {
    for await (const event of events) {
      if (event.kind === 'entry' && event.root) roots.add(event.cid)
      if (options.shard && roots.size > 1) throw new ClusterError('ADD_REFUSED', 'a sharded add has one root: send one file or folder, or use wrap-with-directory')
      yield * store.takeOutputs()
      yield outputOf(event, store)
    }
    if (roots.size === 0) throw new ClusterError('INVALID_INPUT', 'the upload has no file: send at least one multipart part')
    await store.finish([...roots])
    isFinished = true
    yield * store.takeOutputs()
  } finally {
    store.abort(new ClusterError('CANCELLED', 'the add was given up'))
    if (!isFinished) await store.takeBack?.()
  }
}

async function openStore (parts: DagAdderParts, options: AddOptions, callOptions: CallOptions): Promise<DagStore> {
  if (options.shard) return (await import('./sharded-dag.ts')).shardedDag(parts, options, callOptions)
  return (await import('./single-dag.ts')).singleDag(parts, options, callOptions)
}

async function importer (parts: DagAdderParts, entries: AsyncIterable<UploadedEntry>, options: AddOptions, store: DagStore): Promise<AsyncIterable<ImportEvent>> {
  if (options.format === 'car') return (await import('./import-car.ts')).importCar(entries, options, store)
  return (await import('./import-unixfs.ts')).importUnixFs(entries, { ...options, withScaffold: options.shard }, store, parts.hashing)
}

function outputOf (event: ImportEvent, store: DagStore): AddedOutput {
  if (event.kind === 'progress') return { name: event.name, cid: undefined, bytes: event.bytes, size: 0, allocations: [] }
  return { name: event.name, cid: event.cid, bytes: event.bytes, size: event.sizeBytes, allocations: store.allocations() }
}

async function * guardEntries (entries: AsyncIterable<UploadedEntry>, signal: AbortSignal | undefined): AsyncGenerator<UploadedEntry> {
  for await (const entry of untilAborted(entries, signal)) {
    yield signal === undefined ? entry : { ...entry, content: untilAborted(entry.content, signal) }
  }
}
