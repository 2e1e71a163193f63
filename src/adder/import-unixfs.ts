import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { UploadedEntry } from './adder.ts'
import type { BlockSink } from './block-sink.ts'
import { parseChunker, type Chunker } from './chunker.ts'
import { DagWriter } from './dag-writer.ts'
import { fileLayout } from './file-layout.ts'
import { emptyFolder, entryExists, folderAt, putFolder, setFile, type Folder } from './folder-tree.ts'
import { hashFunctionByName } from './hash-functions.ts'
import type { Hashing } from './hash-threads.ts'
import { LeafQueue } from './leaf-queue.ts'
import { encodeDirectory, encodeSymlink, type Link } from './unixfs-node.ts'

export interface ImportOptions {
  readonly layout: 'balanced' | 'trickle'
  readonly chunker: string
  readonly hash: string
  readonly cidVersion: number
  readonly rawLeaves: boolean
  /** Puts everything into one folder without a name. */
  readonly wrap: boolean
  /** Files must say where they are on the sender's disk. */
  readonly nocopy: boolean
  /** Yields progress too. */
  readonly progress: boolean
  /** Also puts the empty folder and the folder around a single file that the reference makes on the way: its shards list them. */
  readonly withScaffold?: boolean | undefined
}

/** Bytes of a file that came so far. */
export interface ImportProgress {
  readonly kind: 'progress'
  /** Path below the root, empty for the root itself. */
  readonly name: string
  readonly bytes: number
}

/** A file or folder that is done. */
export interface ImportedEntry {
  readonly kind: 'entry'
  readonly name: string
  readonly cid: Cid
  /** Of the blocks that came; only known of archives. */
  readonly bytes: number
  /** Of all blocks below; of an archive, of the file's content. */
  readonly sizeBytes: number
  /** True for what is to be pinned. */
  readonly root: boolean
}

export type ImportEvent = ImportProgress | ImportedEntry

/** The folder at the top that is being filled, with the path that its entries have in common. */
interface Top { readonly name: string, readonly folder: Folder }

/** How often progress is told. */
const progressBytes = 256 * 1024
/** Longest target of a symbolic link: what file systems take. */
const maxSymlinkBytes = 4096

/**
 * Makes a UnixFS DAG of an upload; the CIDs are those of `ipfs add` with the same options. Without
 * `wrap` each file and each folder at the top is a root. Memory: one chunk of the file, one open
 * node for each level above it, and the links of the folders that are not done; with `hashing`, a
 * few chunks more, which are hashed beside each other.
 * @throws ClusterError `ADD_REFUSED` on bad options before anything is read, and on what is uploaded
 */
export async function * importUnixFs (entries: AsyncIterable<UploadedEntry>, options: ImportOptions, sink: BlockSink, hashing?: Hashing): AsyncGenerator<ImportEvent> {
  if (options.cidVersion !== 0 && options.cidVersion !== 1) throw new ClusterError('ADD_REFUSED', `bad CID Version: unknown CID version: ${options.cidVersion}`)
  const hash = await hashFunctionByName(options.hash)
  const makeChunker = parseChunker(options.chunker)
  const writer = new DagWriter(options.cidVersion, hash, sink, hashing)

  const scaffold = options.withScaffold === true ? new Scaffold(writer) : undefined
  /** Without one, files at the top are roots. */
  let top: Top | undefined = options.wrap ? { name: '', folder: emptyFolder() } : undefined

  for await (const entry of entries) {
    const segments = entry.path === '' ? [] : entry.path.split('/')
    if (top !== undefined && top.name !== '' && top.name !== segments[0]) {
      yield * finishTop(top, writer)
      top = undefined
    }
    if (entry.kind === 'directory' || segments.length > 1) top ??= { name: segments[0] ?? '', folder: emptyFolder() }
    const below = top === undefined ? [] : top.name === '' ? segments : segments.slice(1)
    if (below.length > (entry.kind === 'directory' ? 0 : 1)) await scaffold?.putEmptyFolder()
    if (entry.kind === 'directory') {
      folderAt((top as Top).folder, below)
      continue
    }
    const link = entry.kind === 'symlink' ? await putSymlink(entry, writer) : yield * putFile(entry, below.join('/'), options, makeChunker(), writer)
    const cid = cidFromBytes(link.cid)
    await scaffold?.putEmptyFolder()
    if (top !== undefined) insert(top, below, link, cid)
    yield { kind: 'entry', name: entry.path, cid, bytes: 0, sizeBytes: link.size, root: top === undefined }
    if (top === undefined) await scaffold?.putFolderAround(cid, link)
  }
  if (top !== undefined) yield * finishTop(top, writer)
}

function insert (top: Top, below: readonly string[], link: Link, cid: Cid): void {
  if (below.length === 0 && top.name !== '') throw entryExists()
  // A file without a name gets its CID as one.
  setFile(folderAt(top.folder, below.slice(0, -1)), below.at(-1) ?? cid, link)
}

async function * finishTop ({ name, folder }: Top, writer: DagWriter): AsyncGenerator<ImportEvent> {
  for await (const { path, cid, size } of putFolder(folder, '', writer)) {
    const fullName = path === '' ? name : name === '' ? path : `${name}/${path}`
    yield { kind: 'entry', name: fullName, cid: cidFromBytes(cid), bytes: 0, sizeBytes: size, root: path === '' }
  }
}

/** See `withScaffold`. */
class Scaffold {
  readonly #writer: DagWriter
  #hasEmptyFolder = false

  constructor (writer: DagWriter) {
    this.#writer = writer
  }

  async putEmptyFolder (): Promise<void> {
    if (this.#hasEmptyFolder) return
    this.#hasEmptyFolder = true
    this.#writer.put('dag-pb', encodeDirectory([]))
    await this.#writer.ready()
  }

  async putFolderAround (name: string, link: Link): Promise<void> {
    this.#writer.put('dag-pb', encodeDirectory([{ name, cid: link.cid, size: link.size }]))
    await this.#writer.ready()
  }
}

async function * putFile (entry: UploadedEntry, progressName: string, options: ImportOptions, chunker: Chunker, writer: DagWriter): AsyncGenerator<ImportEvent, Link> {
  if (options.nocopy && (entry.absolutePath ?? '') === '') throw new ClusterError('ADD_REFUSED', 'missing file path or URL, can\'t create filestore reference')
  const layout = fileLayout(options, writer)
  const leaves = new LeafQueue(layout, options.rawLeaves, writer, chunker)
  let bytes = 0
  for await (const piece of entry.content) {
    for (const chunk of chunker.push(piece)) {
      const wait = leaves.add(chunk)
      if (wait !== undefined) await wait
    }
    if (options.progress) {
      for (let told = bytes - bytes % progressBytes + progressBytes; told <= bytes + piece.length; told += progressBytes) {
        yield { kind: 'progress', name: progressName, bytes: told }
      }
    }
    bytes += piece.length
    if (!chunker.keepsPieces) entry.release?.(piece)
  }
  for (const chunk of chunker.finish()) {
    await leaves.add(chunk)
  }
  await leaves.finish()
  const link = layout.finish()
  await writer.ready()
  if (options.progress) yield { kind: 'progress', name: progressName, bytes }
  return link
}

async function putSymlink (entry: UploadedEntry, writer: DagWriter): Promise<Link> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of entry.content) {
    length += piece.length
    if (length > maxSymlinkBytes) throw new ClusterError('ADD_REFUSED', `the target of the symbolic link ${entry.path} is longer than ${maxSymlinkBytes} bytes`)
    pieces.push(piece)
  }
  const bytes = encodeSymlink(Buffer.concat(pieces))
  const cid = writer.put('dag-pb', bytes)
  await writer.ready()
  return { cid, size: bytes.length }
}
