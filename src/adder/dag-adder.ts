import { ClusterError } from '../domain/errors.ts'
import type { Cid } from '../domain/cid.ts'
import type { AddedOutput } from '../domain/peer.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Adder, AddOptions, UploadedEntry } from './adder.ts'
import type { DagAdderParts, DagStore } from './dag-store.ts'
import { importCar } from './import-car.ts'
import { importUnixFs, type ImportEvent } from './import-unixfs.ts'
import { shardedDag } from './sharded-dag.ts'
import { singleDag } from './single-dag.ts'
import { untilAborted } from './until-aborted.ts'

/** The adder of a peer: imports what is uploaded, sends the blocks away as they are made and pins every root at the end. */
export function dagAdder (parts: DagAdderParts): Adder {
  return { add: (entries, options, callOptions) => add(parts, entries, options, callOptions) }
}

async function * add (parts: DagAdderParts, entries: AsyncIterable<UploadedEntry>, options: AddOptions, callOptions: CallOptions): AsyncGenerator<AddedOutput> {
  const store = options.shard ? shardedDag(parts, options, callOptions) : singleDag(parts, options, callOptions)
  const upload = guardEntries(entries, callOptions.signal)
  const events = options.format === 'car' ? importCar(upload, options, store) : importUnixFs(upload, { ...options, withScaffold: options.shard }, store)
  const roots = new Set<Cid>()
  try {
    for await (const event of events) {
      if (event.kind === 'entry' && event.root) roots.add(event.cid)
      if (options.shard && roots.size > 1) throw new ClusterError('ADD_REFUSED', 'a sharded add has one root: send one file or folder, or use wrap-with-directory')
      yield outputOf(event, store)
      yield * store.takeOutputs()
    }
    if (roots.size === 0) throw new ClusterError('INVALID_INPUT', 'the upload has no file: send at least one multipart part')
    await store.finish([...roots])
    yield * store.takeOutputs()
  } finally {
    store.abort(new ClusterError('CANCELLED', 'the add was given up'))
  }
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
