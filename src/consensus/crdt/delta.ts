import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { ClusterError } from '../../domain/errors.ts'
import { digestBytes, digestOf, multihashKey } from './keys.ts'
import { ProtobufBytes, readFields } from './protobuf-fields.ts'

/** An element of a delta (spec/wire.md 6.4). */
export interface DeltaElement {
  /** `/` and the base32 text of the CID's bytes. */
  readonly key: string
  /**
   * In tombstones the block ID of what dies. In additions the Go program writes nothing and skips
   * what is there: ours write with a move the block ID of the user's element that it follows.
   */
  readonly id: string
  readonly value: Uint8Array
}

/** What one node of the DAG changes. */
export interface Delta {
  readonly elements: readonly DeltaElement[]
  readonly tombstones: readonly DeltaElement[]
  readonly priority: number
  /** Elements and tombstones that were left out when it was read: they cannot stand for a pin. Absent for none. */
  readonly leftOut?: number
}

/** A delta in the DAG: its block and the blocks it follows. */
export interface DeltaNode {
  readonly cid: CID
  /** `/` and the base32 text of the multihash: how tombstones name the node. */
  readonly blockId: string
  readonly bytes: Uint8Array
  readonly links: readonly CID[]
  readonly delta: Delta
}

/**
 * Largest delta node taken, in bytes: that of a message of bitswap. Ours have less than half of it; the
 * Go program names in one node all elements of a pin that is removed, and its peers take that.
 */
export const maxNodeBytes = 4 * 1024 * 1024
/**
 * The highest priority taken, and given: far above what changes one after the other can reach. A
 * peer that begins there takes the order from later changes, but cannot make them unreadable.
 */
export const maxPriority = 2 ** 52
const dagPbCode = 0x70
const sha256Code = 0x12
const sha256Bytes = 32
const empty = new Uint8Array(0)

/** Puts a delta behind its parents. Deterministic: equal input gives the same CID. */
export function encodeDeltaNode (delta: Delta, parents: readonly CID[]): DeltaNode {
  const links = parents.map(parent => ({ Name: '', Tsize: 0, Hash: parent }))
  const bytes = dagPb.encode({ Data: encodeDelta(delta), Links: links })
  return { ...nodeIdentity(bytes), bytes, links: parents, delta }
}

/**
 * Reads a node that may come from anybody.
 * @throws ClusterError `INVALID_WIRE_DATA`
 */
export function decodeDeltaNode (bytes: Uint8Array): DeltaNode {
  if (bytes.length > maxNodeBytes) throw malformed(`node of ${bytes.length} bytes, at most ${maxNodeBytes} are taken`)
  let node: dagPb.PBNode
  try {
    node = dagPb.decode(bytes)
  } catch (error) {
    throw malformed('not a dag-pb node', error)
  }
  return { ...nodeIdentity(bytes), bytes, links: node.Links.flatMap(link => deltaCid(link.Hash) ?? []), delta: decodeDelta(node.Data ?? empty) }
}

/** The CID under which a delta node is known, whatever the version it is named with; undefined when no delta node can have it. */
export function deltaCid (cid: CID): CID | undefined {
  const { code, size } = cid.multihash
  if (cid.code !== dagPbCode || code !== sha256Code || size !== sha256Bytes) return undefined
  return cid.version === 1 ? cid : CID.createV1(dagPbCode, cid.multihash)
}

/** The CID of the delta node with this multihash, as it stands in keys. */
export function cidOfMultihash (multihash: string): CID {
  return CID.createV1(dagPbCode, createDigest(sha256Code, digestOf(multihash)))
}

/** The block ID of a node by its CID. */
export function blockIdOf (cid: CID): string {
  return `/${multihashKey(cid.multihash.bytes)}`
}

function nodeIdentity (bytes: Uint8Array): { cid: CID, blockId: string } {
  const digest = createDigest(sha256Code, digestBytes(bytes))
  const cid = CID.createV1(dagPbCode, digest)
  return { cid, blockId: blockIdOf(cid) }
}

export function encodeDelta (delta: Delta): Uint8Array {
  const message = new ProtobufBytes()
  for (const element of delta.elements) encodeElement(message, 1, element)
  for (const tombstone of delta.tombstones) encodeElement(message, 2, tombstone)
  if (delta.priority !== 0) {
    message.varint(3 << 3)
    message.varint(delta.priority)
  }
  return message.finish()
}

function encodeElement (message: ProtobufBytes, field: number, { key, id, value }: DeltaElement): void {
  // Keys and IDs are ASCII: their length in bytes is that of the text.
  message.varint((field << 3) | 2)
  message.varint(textSize(key.length) + textSize(id.length) + textSize(value.length))
  if (key !== '') message.text(1, key)
  if (id !== '') message.text(2, id)
  if (value.length > 0) message.bytes(3, value)
}

function textSize (length: number): number {
  if (length === 0) return 0
  return 1 + (length < 128 ? 1 : length < 16384 ? 2 : length < 2097152 ? 3 : 4) + length
}

/** Elements that cannot stand for a pin are left out: the rest counts, as with the Go program. */
export function decodeDelta (bytes: Uint8Array): Delta {
  const elements: DeltaElement[] = []
  const tombstones: DeltaElement[] = []
  let priority = 0
  let leftOut = 0
  readFields(bytes, malformed, (field, value, part) => {
    if (field === 3) priority = value
    if (field !== 1 && field !== 2) return
    const element = decodeElement(part)
    if (element === undefined || (field === 2 && element.id === '')) leftOut++
    else (field === 1 ? elements : tombstones).push(element)
  })
  if (priority > maxPriority) throw malformed('priority too large')
  return { elements, tombstones, priority, ...leftOut > 0 && { leftOut } }
}

/** Undefined for what cannot stand for a pin. */
function decodeElement (bytes: Uint8Array): DeltaElement | undefined {
  let key = ''
  let id = ''
  let value: Uint8Array = empty
  readFields(bytes, malformed, (field, _, part) => {
    if (field === 1) key = ascii(part)
    else if (field === 2) id = ascii(part)
    else if (field === 3) value = part
  })
  return isKey(key) && (id === '' || isKey(id)) ? { key, id, value } : undefined
}

/** Longest CID taken, as text with its slash. */
const maxKeyLength = 1700

function isKey (text: string): boolean {
  return text.length <= maxKeyLength && /^\/[A-Z2-7]+$/.test(text)
}

function ascii (bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

function malformed (reason: string, cause?: unknown): ClusterError {
  return new ClusterError('INVALID_WIRE_DATA', `malformed delta: ${reason}`, { cause })
}
