import type { AddOptions, UploadedEntry } from '../adder/adder.ts'
import { importUnixFs } from '../adder/import-unixfs.ts'
import { plainAddOptions } from '../adder/uploads.fixture.ts'
import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import { seededRandom } from './seeded-random.ts'

/** A file, and what it becomes when it is added. */
export interface Upload {
  readonly content: Uint8Array
  readonly root: Cid
  /** Of all blocks of the DAG, as texts. */
  readonly blocks: ReadonlySet<string>
}

const chunkBytes = 1_024
const mostBytes = 9 * chunkBytes
/** Bytes of which the client sends one piece after the other. */
const pieceBytes = 1_500

/** In which an add is answered though the only destinations that are left are silent, in milliseconds: they are waited for longest. */
export const addPatienceMs = 900_000

/** How files are added: in small blocks, so that there are many. */
export const addOptions: AddOptions = { ...plainAddOptions, chunker: `size-${chunkBytes}`, rawLeaves: true, cidVersion: 1 }

/** The file of that number, the same in all worlds. */
export async function upload (number: number): Promise<Upload> {
  const random = seededRandom(number, 'upload')
  const content = random.bytes(1 + random.integer(mostBytes))
  const blocks = new Set<string>()
  const sink = { put: ({ cid }: { readonly cid: { toString: () => string } }): undefined => { blocks.add(cid.toString()) } }
  const events = await Array.fromAsync(importUnixFs(entriesOf(content), addOptions, sink))
  const root = events.find(event => event.kind === 'entry' && event.root)
  if (root?.kind !== 'entry') throw new Error('a file without a root')
  return { content, root: root.cid, blocks }
}

/** The body of a request with that file, which ends too early with `isBroken`. */
export async function * entriesOf (content: Uint8Array, isBroken = false): AsyncGenerator<UploadedEntry> {
  yield { path: 'file', kind: 'file', content: piecesOf(content, isBroken) }
}

async function * piecesOf (content: Uint8Array, isBroken: boolean): AsyncGenerator<Uint8Array> {
  const length = isBroken ? content.length / 2 : content.length
  for (let at = 0; at < length; at += pieceBytes) yield content.slice(at, at + pieceBytes)
  if (isBroken) throw new ClusterError('CANCELLED', 'the client has gone away')
}
