import { randomBytes } from 'node:crypto'
import { defaultAddOptions, type AddOptions } from '../../client/add-options.ts'
import type { Received } from '../../client/item-stream.ts'
import { multipartBody, type UploadEntry } from '../../client/multipart.ts'
import { requests } from '../../client/requests.ts'
import type { AddedOutput } from '../../domain/peer.ts'
import { TrackerStatus } from '../../domain/status.ts'
import { CommandError, type Call } from '../command-line/command.ts'
import { expiryArgument, metadataArgument, peerIds } from './arguments.ts'
import type { Connection } from './connection.ts'
import { formatAdded, formatAddedQuiet } from './format.ts'
import { indentJson } from './indent-json.ts'
import { print, reportingApiErrors } from './respond.ts'
import { UploadProgress } from './upload-progress.ts'
import { uploadSource, type UploadSource } from './upload-sources.ts'
import { waitForPin } from './wait-for-pin.ts'

/** Adds files, folders and URLs (spec/cli.md 2.7). */
export async function add (call: Call<Connection>): Promise<number> {
  const paths = call.arguments
  if (paths.length === 0) throw new CommandError('', 'need at least one path')
  const options = addOptions(call)
  const expireAt = expiryArgument(call.flags.text('expire-in'))
  if (options.wrapWithDirectory && options.format === 'car') {
    throw new CommandError('', 'only a single CAR file can be added and wrap-with-directory is not supported')
  }
  return await reportingApiErrors(call, async () => {
    const sources: UploadSource[] = []
    for (const path of paths) sources.push(await uploadSource(path, { ...options, environment: call.terminal.environment }))
    const last = await upload(call, sources, () => ({ ...options, expireAt: expireAt() }))
    if (last?.cid === undefined || !call.flags.boolean('wait') || options.noPin) return
    const client = await call.context.client()
    const factor = await client.allocation(last.cid).then(pin => pin.replicationFactorMin, () => options.replicationFactorMin)
    await waitForPin(call, last.cid, TrackerStatus.pinned, factor)
  })
}

function addOptions ({ flags, arguments: paths }: Call<Connection>): AddOptions {
  const hash = flags.text('hash')
  const cidVersion = hash === defaultAddOptions.hash ? flags.integer('cid-version') : 1
  const noCopy = flags.boolean('nocopy')
  return {
    ...defaultAddOptions,
    replicationFactorMin: flags.integer('replication-min'),
    replicationFactorMax: flags.integer('replication-max'),
    metadata: metadataArgument(flags.texts('metadata')),
    name: flags.text('name'),
    userAllocations: peerIds(flags.text('allocations').split(',')),
    noPin: flags.boolean('no-pin'),
    format: flags.text('format'),
    recursive: flags.boolean('recursive'),
    local: flags.boolean('local'),
    layout: flags.text('layout'),
    chunker: flags.text('chunker'),
    hidden: flags.boolean('hidden'),
    wrapWithDirectory: flags.boolean('wrap-with-directory') || paths.length > 1,
    cidVersion,
    hash,
    noCopy,
    rawLeaves: flags.boolean('raw-leaves') || cidVersion > 0 || noCopy,
  }
}

/** Sends the sources and prints what was added. Gives the last thing that was, which is the root. */
async function upload (call: Call<Connection>, sources: readonly UploadSource[], options: () => AddOptions): Promise<AddedOutput | undefined> {
  const client = await call.context.client()
  const progress = new UploadProgress(call.terminal.stderr)
  if (progress.isShown) void announceTotal(progress, sources)
  const body = multipartBody(() => entriesOf(sources, progress), randomBytes(30).toString('hex'))
  const quieter = call.flags.boolean('quieter')
  const format = call.flags.boolean('quiet') || quieter ? formatAddedQuiet : formatAdded
  const buffers = call.flags.boolean('no-stream')
  const buffered: Array<Received<AddedOutput>> = []
  let last: Received<AddedOutput> | undefined
  try {
    for await (const batch of client.stream(requests.add(body, options())).batches()) {
      last = batch.at(-1) ?? last
      if (quieter) continue
      if (buffers) {
        buffered.push(...batch)
        continue
      }
      progress.clear()
      await print(call, batch, format)
    }
    if (quieter && last !== undefined) buffered.push(last)
  } finally {
    progress.clear()
    if (buffered.length > 0) await printBuffered(call, buffered, format, buffers)
  }
  return last?.value
}

/** With --no-stream JSON comes as one list, so that it can be parsed as a whole. */
async function printBuffered (call: Call<Connection>, buffered: ReadonlyArray<Received<AddedOutput>>, format: (added: AddedOutput) => string, asList: boolean): Promise<void> {
  if (!asList || call.context.encoding !== 'json') await print(call, buffered, format)
  else await call.terminal.stdout.write(`${indentJson(`[${buffered.map(({ json }) => json).join(',')}]`)}\n`)
}

async function * entriesOf (sources: readonly UploadSource[], progress: UploadProgress): AsyncGenerator<UploadEntry> {
  for (const source of sources) {
    for await (const entry of source.entries()) yield progress.isShown ? { ...entry, content: counted(entry.content, progress) } : entry
  }
}

async function * counted (content: AsyncIterable<Uint8Array>, progress: UploadProgress): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    yield chunk
    progress.sent(chunk.length)
  }
}

/** Looks for the size while the upload runs; without it the bar shows what was sent. */
async function announceTotal (progress: UploadProgress, sources: readonly UploadSource[]): Promise<void> {
  try {
    let bytes = 0
    for (const source of sources) {
      const size = await source.sizeBytes()
      if (size === undefined) return
      bytes += size
    }
    progress.setTotal(bytes)
  } catch {
    // Whatever cannot be looked at is reported by the upload itself.
  }
}
