import { CID } from 'multiformats/cid'
import { ClusterError, errorText } from '../../domain/errors.ts'
import { codecs } from './cid-parts.ts'
import { protobufFields } from './protobuf-fields.ts'

/**
 * The binary CIDs that a block links to, in their order; views of its bytes where possible.
 * Reads links only, so that a walk over millions of blocks makes no objects of their content.
 * @throws ClusterError `IPFS_ANSWER` when the block is malformed or nobody knows its codec
 */
export function blockLinks (codec: number, bytes: Uint8Array): Uint8Array[] {
  switch (codec) {
    case codecs.raw: case codecs.json: case codecs.cbor: case codecs.libp2pKey: return []
    case codecs.dagPb: return dagPbLinks(bytes)
    case codecs.dagCbor: return dagCborLinks(bytes)
    case codecs.dagJson: return dagJsonLinks(bytes)
    default: throw new ClusterError('IPFS_ANSWER', `no decoder registered for multicodec code ${codec} (0x${codec.toString(16)}): only pins of this block alone (mode direct) can be kept`)
  }
}

/** True when blocks of this codec have no links: they need not be read to be walked over. */
export function isLeafCodec (codec: number): boolean {
  return codec === codecs.raw || codec === codecs.json || codec === codecs.cbor || codec === codecs.libp2pKey
}

/** dag-pb: field 2 of a node is a link, field 1 of a link its CID (https://ipld.io/specs/codecs/dag-pb/spec). */
function dagPbLinks (bytes: Uint8Array): Uint8Array[] {
  const links: Uint8Array[] = []
  for (const field of protobufFields(bytes)) {
    if (field.number !== 2 || field.bytes === undefined) continue
    for (const part of protobufFields(field.bytes)) if (part.number === 1 && part.bytes !== undefined) links.push(part.bytes)
  }
  return links
}

const linkTag = 42

/** dag-cbor: a link is tag 42 on a byte string of a zero and the CID (https://ipld.io/specs/codecs/dag-cbor/spec). */
function dagCborLinks (bytes: Uint8Array): Uint8Array[] {
  const links: Uint8Array[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  let isLink = false
  // Counted instead of nested: how deep the content is does not matter.
  for (let open = 1; open > 0; open--) {
    if (at >= bytes.length) throw malformed('dag-cbor')
    const major = (bytes[at] as number) >>> 5
    const short = (bytes[at] as number) & 31
    const size = short < 24 ? 0 : short < 28 ? 1 << (short - 24) : -1
    if (size < 0 || at + 1 + size > bytes.length) throw malformed('dag-cbor')
    const argument = size === 0 ? short : size === 1 ? view.getUint8(at + 1) : size === 2 ? view.getUint16(at + 1) : size === 4 ? view.getUint32(at + 1) : Number(view.getBigUint64(at + 1))
    at += 1 + size
    const wantsLink = isLink
    isLink = false
    switch (major) {
      case 2: case 3:
        if (argument > bytes.length - at) throw malformed('dag-cbor')
        if (wantsLink) links.push(linkOfBytes(bytes.subarray(at, at + argument)))
        at += argument
        break
      // Each item takes a byte at least: a count beyond that is a lie.
      case 4: case 5: {
        const items = major === 4 ? argument : argument * 2
        if (items > bytes.length - at) throw malformed('dag-cbor')
        open += items
        break
      }
      case 6:
        if (argument !== linkTag) throw malformed('dag-cbor')
        isLink = true
        open += 1
        break
    }
    if (wantsLink && major !== 2) throw malformed('dag-cbor')
  }
  if (at !== bytes.length) throw malformed('dag-cbor')
  return links
}

function linkOfBytes (bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0) throw malformed('dag-cbor')
  return bytes.subarray(1)
}

/** dag-json: a link is an object of one key `/` with a text (https://ipld.io/specs/codecs/dag-json/spec). */
function dagJsonLinks (bytes: Uint8Array): Uint8Array[] {
  const links: Uint8Array[] = []
  try {
    const rest: unknown[] = [JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))]
    while (rest.length > 0) {
      const value = rest.pop()
      if (typeof value !== 'object' || value === null) continue
      const entries = Object.entries(value)
      const [first] = entries
      if (entries.length === 1 && first?.[0] === '/' && typeof first[1] === 'string') links.push(CID.parse(first[1]).bytes)
      else for (const [, item] of entries.toReversed()) rest.push(item)
    }
  } catch (error) {
    throw malformed(`dag-json (${errorText(error)})`)
  }
  return links
}

function malformed (codec: string): ClusterError { return new ClusterError('IPFS_ANSWER', `the block is no well-formed ${codec}`) }
