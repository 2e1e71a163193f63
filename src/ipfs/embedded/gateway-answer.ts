import type { OutgoingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { cidFromBytes } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { BlockStore } from './block-store.ts'
import { requestedRange } from './byte-range.ts'
import { carOfDag } from './car-stream.ts'
import { cidParts, codecs } from './cid-parts.ts'
import { contentType, sniffedBytes } from './content-type.ts'
import { folderPage } from './folder-page.ts'
import { resolvePath, type ReadBlock } from './resolve-path.ts'
import { fileContent, fileLength } from './unixfs-file.ts'
import { folderEntries } from './unixfs-folder.ts'
import { decodeUnixfs } from './unixfs.ts'

/** What a client asked for. */
export interface GatewayRequest {
  /** As it was sent. */
  readonly path: string
  readonly query: string
  readonly cid: Uint8Array
  readonly names: readonly string[]
  /** The path ends with a slash. */
  readonly isFolder: boolean
  /** '' for what the content is, `raw`, `car`. */
  readonly format: string
  /** The name under which the client wants it, or ''. */
  readonly filename: string
  readonly range: string | undefined
  readonly ifRange: string | undefined
  readonly ifNoneMatch: string | undefined
}

export interface GatewayAnswer {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** An answer that is no content: a status and a sentence. */
export class GatewayRefusal extends Error {
  readonly status: number
  readonly headers: OutgoingHttpHeaders

  constructor (status: number, message: string, headers: OutgoingHttpHeaders = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

export interface GatewaySource {
  readonly store: BlockStore
  readonly read: ReadBlock
  readonly walkFolder: string
}

/** Content under a CID never changes: a year. */
const cacheForever = 'public, max-age=31536000, immutable'
/** Entries on the page of a folder; what is beyond is reached by its name. */
const maxListedEntries = 10_000
let carNumber = 0

/**
 * The content at the path in the form asked for.
 * @throws GatewayRefusal, ClusterError `IPFS_ANSWER` for a name that is not there, what `read` throws
 */
export async function answerContent (request: GatewayRequest, source: GatewaySource): Promise<GatewayAnswer> {
  const cid = await resolvePath(request.cid, request.names, source.read)
  switch (request.format) {
    case 'raw': return answerBytes(await source.read(cid), cid, request, 'application/vnd.ipld.raw', '.bin')
    case 'car': return answerCar(cid, request, source)
    case '': break
    default: throw new GatewayRefusal(400, `the format ${JSON.stringify(request.format)} is not known: raw and car are`)
  }
  const { codec } = cidParts(cid)
  if (codec === codecs.raw) return answerFile(cid, await source.read(cid), request, source)
  if (codec === codecs.dagPb) return answerUnixfs(cid, await source.read(cid), request, source)
  const type = codec === codecs.json || codec === codecs.dagJson ? 'application/json' : codec === codecs.dagCbor ? 'application/vnd.ipld.dag-cbor' : 'application/octet-stream'
  return answerBytes(await source.read(cid), cid, request, type, '')
}

async function answerUnixfs (cid: Uint8Array, block: Uint8Array, request: GatewayRequest, source: GatewaySource): Promise<GatewayAnswer> {
  const node = decodeUnixfs(block)
  switch (node.kind) {
    case 'file': case 'raw': return answerFile(cid, block, request, source)
    case 'directory': case 'hamt-shard': return answerFolder(cid, request, source, node)
    case 'symlink': throw new GatewayRefusal(404, `this is a symbolic link to ${JSON.stringify(new TextDecoder().decode(node.data))}: it is not followed`)
    default: throw new GatewayRefusal(422, 'this is no file and no folder: read its block with ?format=raw')
  }
}

async function answerFolder (cid: Uint8Array, request: GatewayRequest, source: GatewaySource, node: ReturnType<typeof decodeUnixfs>): Promise<GatewayAnswer> {
  // Links on the page and in index.html are relative to the folder.
  if (!request.isFolder) return { status: 301, headers: { location: `${request.path}/${request.query === '' ? '' : `?${request.query}`}`, 'content-length': 0 }, body: [] }
  const index = await resolvePath(cid, ['index.html'], source.read).catch((error: unknown) => {
    if (error instanceof ClusterError && error.code === 'IPFS_ANSWER') return undefined
    throw error
  })
  if (index !== undefined) {
    const block = await source.read(index)
    if (fileLength(cidParts(index).codec, block) !== undefined) return answerFile(index, block, { ...request, names: ['index.html'] }, source)
  }
  const page = Buffer.from(await folderPage(request.path, cidFromBytes(cid), folderEntries(cid, node, source.read), maxListedEntries))
  const etag = `"folder-${cidFromBytes(cid)}"`
  if (isKnown(request, etag)) return notModified(etag)
  return {
    status: 200,
    headers: { ...commonHeaders(etag, request), 'cache-control': 'public, max-age=604800', 'content-type': 'text/html; charset=utf-8', 'content-length': page.length, 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'" },
    body: [page],
  }
}

async function answerFile (cid: Uint8Array, block: Uint8Array, request: GatewayRequest, source: GatewaySource): Promise<GatewayAnswer> {
  const lengthBytes = fileLength(cidParts(cid).codec, block) ?? 0
  const etag = etagOf(cid)
  if (isKnown(request, etag)) return notModified(etag)
  const range = request.ifRange === undefined || request.ifRange === etag ? requestedRange(request.range, lengthBytes) : undefined
  if (range === 'unsatisfiable') throw new GatewayRefusal(416, `the file has ${lengthBytes} bytes`, { 'content-range': `bytes */${lengthBytes}` })
  const name = request.filename === '' ? request.names.at(-1) ?? '' : request.filename
  const beginning: Uint8Array[] = []
  for await (const bytes of fileContent(cid, lengthBytes, { from: 0, to: Math.min(sniffedBytes, lengthBytes) }, source.read)) beginning.push(bytes)
  const part = range ?? { from: 0, to: lengthBytes }
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      ...commonHeaders(etag, request),
      'content-type': contentType(name, Buffer.concat(beginning)),
      'content-length': part.to - part.from,
      'accept-ranges': 'bytes',
      ...(range === undefined ? {} : { 'content-range': `bytes ${range.from}-${range.to - 1}/${lengthBytes}` }),
      ...(request.filename === '' ? {} : { 'content-disposition': disposition('inline', request.filename) }),
    },
    body: fileContent(cid, lengthBytes, part, source.read),
  }
}

function answerBytes (bytes: Uint8Array, cid: Uint8Array, request: GatewayRequest, type: string, ending: string): GatewayAnswer {
  const etag = etagOf(cid, request.format)
  if (isKnown(request, etag)) return notModified(etag)
  const name = request.filename === '' ? `${cidFromBytes(cid)}${ending}` : request.filename
  return { status: 200, headers: { ...commonHeaders(etag, request), 'content-type': type, 'content-length': bytes.length, 'content-disposition': disposition('attachment', name) }, body: [bytes] }
}

async function answerCar (cid: Uint8Array, request: GatewayRequest, { store, read, walkFolder }: GatewaySource): Promise<GatewayAnswer> {
  const etag = `W/"${cidFromBytes(cid)}.car"`
  if (isKnown(request, etag)) return notModified(etag)
  // What is not there is found out before the answer begins.
  await read(cid)
  const name = request.filename === '' ? `${cidFromBytes(cid)}.car` : request.filename
  return {
    status: 200,
    headers: { ...commonHeaders(etag, request), 'content-type': 'application/vnd.ipld.car; version=1; order=dfs; dups=n', 'content-disposition': disposition('attachment', name) },
    body: carOfDag(cid, store, read, join(walkFolder, `car-${carNumber++}`)),
  }
}

function etagOf (cid: Uint8Array, format = ''): string { return `"${cidFromBytes(cid)}${format === '' ? '' : `.${format}`}"` }

function commonHeaders (etag: string, { path }: GatewayRequest): OutgoingHttpHeaders {
  return { etag, 'cache-control': cacheForever, 'x-content-type-options': 'nosniff', 'x-ipfs-path': path }
}

function isKnown ({ ifNoneMatch }: GatewayRequest, etag: string): boolean {
  const known = ifNoneMatch?.split(',').map(each => each.trim().replace(/^W\//, '')) ?? []
  return known.includes('*') || known.includes(etag.replace(/^W\//, ''))
}

function notModified (etag: string): GatewayAnswer { return { status: 304, headers: { etag }, body: [] } }

/** A name in plain letters for old clients, and in full (RFC 6266). */
function disposition (kind: 'inline' | 'attachment', name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  return `${kind}; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(name)}`
}
