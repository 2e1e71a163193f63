import { ProtobufReader, ProtobufWriter } from '../../codec/protobuf.ts'
import { ClusterError } from '../../domain/errors.ts'

/** One wish for a block, or the end of one. CIDs are in their binary form. */
export interface Want {
  readonly cid: Uint8Array
  /** False: it is enough to hear who has the block. */
  readonly wantsBlock: boolean
  readonly isCancelled: boolean
  /** Answer also when the block is not here. */
  readonly sendDontHave: boolean
}

/** A block without its digest: `prefix` is version, codec, hash function and digest length of its CID. */
export interface SentBlock { readonly prefix: Uint8Array, readonly data: Uint8Array }

/** What two peers tell each other (specs.ipfs.tech/bitswap-protocol, version 1.2.0). */
export interface BitswapMessage {
  /** The wants replace all former ones. */
  readonly isFull: boolean
  readonly wants: readonly Want[]
  readonly blocks: readonly SentBlock[]
  readonly haves: readonly Uint8Array[]
  readonly dontHaves: readonly Uint8Array[]
}

/** Entries of one message. Each costs memory beyond its bytes; the reference's peers send some thousands at most. */
const maxEntries = 16_384
/** As CIDs of the cluster go; identity hashes of content are no use here. */
const maxCidBytes = 128

const writer = new ProtobufWriter()

export function encodeMessage (message: BitswapMessage): Uint8Array {
  writer.reset()
  if (message.wants.length > 0 || message.isFull) {
    writer.varint(1 << 3 | 2)
    writer.nested(() => {
      for (const want of message.wants) {
        writer.varint(1 << 3 | 2)
        writer.nested(() => { writeWant(want) })
      }
      if (message.isFull) writeTrue(2)
    })
  }
  for (const { prefix, data } of message.blocks) {
    writer.varint(3 << 3 | 2)
    writer.nested(() => {
      writeBytes(1, prefix)
      writeBytes(2, data)
    })
  }
  for (const cid of message.haves) writePresence(cid, false)
  for (const cid of message.dontHaves) writePresence(cid, true)
  return writer.finish()
}

function writeWant ({ cid, wantsBlock, isCancelled, sendDontHave }: Want): void {
  writeBytes(1, cid)
  writer.varint(2 << 3)
  writer.varint(1)
  if (isCancelled) writeTrue(3)
  if (!wantsBlock) writeTrue(4)
  if (sendDontHave) writeTrue(5)
}

function writePresence (cid: Uint8Array, isMissing: boolean): void {
  writer.varint(4 << 3 | 2)
  writer.nested(() => {
    writeBytes(1, cid)
    if (isMissing) writeTrue(2)
  })
}

function writeBytes (field: number, bytes: Uint8Array): void {
  writer.varint(field << 3 | 2)
  writer.raw(bytes)
}

function writeTrue (field: number): void {
  writer.varint(field << 3)
  writer.varint(1)
}

/** @throws ClusterError `INVALID_WIRE_DATA`, also when the message has more entries than any peer sends */
export function decodeMessage (bytes: Uint8Array): BitswapMessage {
  const wants: Want[] = []
  const blocks: SentBlock[] = []
  const haves: Uint8Array[] = []
  const dontHaves: Uint8Array[] = []
  let isFull = false
  readFields(bytes, {
    1: part => {
      readFields(part, { 1: want => { wants.push(readWant(want)) } }, (field, value) => { if (field === 2) isFull = value !== 0 })
    },
    3: part => { blocks.push(readBlock(part)) },
    4: part => {
      const { cid, isMissing } = readPresence(part)
      ;(isMissing ? dontHaves : haves).push(cid)
    },
  }, undefined, () => {
    if (wants.length + blocks.length + haves.length + dontHaves.length > maxEntries) throw invalid(`a bitswap message has more than ${maxEntries} entries`)
  })
  return { isFull, wants, blocks, haves, dontHaves }
}

function readWant (bytes: Uint8Array): Want {
  let cid: Uint8Array | undefined
  const flags = [0, 0, 0, 0, 0, 0]
  readFields(bytes, { 1: value => { cid = value } }, (field, value) => { if (field < flags.length) flags[field] = value })
  return { cid: checkCid(cid), isCancelled: flags[3] !== 0, wantsBlock: flags[4] === 0, sendDontHave: flags[5] !== 0 }
}

function readBlock (bytes: Uint8Array): SentBlock {
  let prefix = new Uint8Array()
  let data = new Uint8Array()
  readFields(bytes, { 1: value => { prefix = value }, 2: value => { data = value } })
  return { prefix, data }
}

function readPresence (bytes: Uint8Array): { cid: Uint8Array, isMissing: boolean } {
  let cid: Uint8Array | undefined
  let isMissing = false
  readFields(bytes, { 1: value => { cid = value } }, (field, value) => { if (field === 2) isMissing = value !== 0 })
  return { cid: checkCid(cid), isMissing }
}

type Bytes = Uint8Array<ArrayBuffer>

/** Calls `parts` with the fields that have a length and `onNumber` with numbers; others are stepped over. */
function readFields (bytes: Uint8Array, parts: Readonly<Record<number, (value: Bytes) => void>>, onNumber?: (field: number, value: number) => void, check?: () => void): void {
  const reader = new ProtobufReader(bytes)
  while (reader.at < reader.end) {
    const tag = reader.varint()
    const field = Math.floor(tag / 8)
    const part = parts[field]
    if (tag % 8 === 2 && part !== undefined) part(reader.view() as Bytes)
    else if (tag % 8 === 0 && onNumber !== undefined) onNumber(field, reader.varint())
    else reader.skip(tag % 8)
    check?.()
  }
}

function checkCid (cid: Uint8Array | undefined): Uint8Array {
  if (cid === undefined || cid.length === 0 || cid.length > maxCidBytes) throw invalid('a bitswap message names a block by something that is no CID')
  // A copy: it outlives the message.
  return cid.slice()
}

function invalid (text: string): ClusterError {
  return new ClusterError('INVALID_WIRE_DATA', text)
}
