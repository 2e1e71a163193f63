import { ClusterError } from './errors.ts'
import { protocolByCode, protocolByName, type MultiaddressProtocol } from './multiaddress-protocols.ts'
import type { Multiaddress, PeerId } from './peer.ts'
import { quote } from './quote.ts'

/** Longest multiaddress accepted, as text or bytes: certificate hashes and i2p keys fit, content does not. */
const maxMultiaddressLength = 2048

interface Component { readonly protocol: MultiaddressProtocol, readonly value: Uint8Array }

/**
 * Reads a multiaddress and brings it into its canonical text (`/ipfs/Qm…` becomes `/p2p/Qm…`).
 * @throws ClusterError `INVALID_MULTIADDRESS` with the reference's text
 */
export function parseMultiaddress (text: string): Multiaddress {
  return formatComponents(readText(text))
}

/** The binary form: what protobuf and msgpack carry. */
export function multiaddressToBytes (address: Multiaddress): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { protocol, value } of readText(address)) {
    parts.push(writeVarint(protocol.code))
    if (protocol.size === 'prefixed') parts.push(writeVarint(value.length))
    parts.push(value)
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/**
 * The multiaddress with these bytes.
 * @throws ClusterError `INVALID_MULTIADDRESS`
 */
export function multiaddressFromBytes (bytes: Uint8Array): Multiaddress {
  if (bytes.length === 0) throw invalid('empty multiaddr')
  if (bytes.length > maxMultiaddressLength) throw invalid('multiaddr too long')
  const components: Component[] = []
  let at = 0
  while (at < bytes.length) {
    if (components.at(-1)?.protocol.isPath === true) throw invalid('unexpected component after path component')
    const code = readVarint(bytes, at)
    const protocol = protocolByCode(code.value)
    if (protocol === undefined) throw invalid(`no protocol with code ${code.value}`)
    at = code.next
    let size = protocol.size
    if (size === 'prefixed') ({ value: size, next: at } = readVarint(bytes, at))
    if (bytes.length - at < size || (size === 0 && protocol.size !== 0)) throw invalid(`invalid value for size ${bytes.length - at}`)
    const value = bytes.slice(at, at + size)
    const problem = protocol.validate(value)
    if (problem !== undefined) throw invalid(problem)
    components.push({ protocol, value })
    at += size
  }
  return formatComponents(components)
}

/** The peer ID in the last `/p2p/` part, which is the peer behind a relay; undefined when there is none. */
export function multiaddressPeer (address: Multiaddress): PeerId | undefined {
  const last = readText(address).findLast(({ protocol }) => protocol.name === 'p2p')
  return last && last.protocol.toText(last.value) as PeerId
}

function readText (given: string): Component[] {
  if (given.length > maxMultiaddressLength) throw invalid(`failed to parse multiaddr ${quote(`${given.slice(0, 80)}…`)}: too long`)
  const text = given.replace(/\/+$/, '')
  const fail = (reason: string): ClusterError => invalid(`failed to parse multiaddr ${quote(text)}: ${reason}`)
  const parts = text.split('/')
  if (parts[0] !== '') throw fail('must begin with /')
  if (parts.length === 1) throw fail('empty multiaddr')
  const components: Component[] = []
  for (let at = 1; at < parts.length;) {
    const name = parts[at++] as string
    const protocol = protocolByName(name)
    if (protocol === undefined) throw fail(`unknown protocol ${name}`)
    if (protocol.size === 0) {
      components.push({ protocol, value: new Uint8Array() })
      continue
    }
    if (at === parts.length) throw fail('unexpected end of multiaddr')
    const argument = protocol.isPath ? `/${parts.slice(at).join('/')}` : parts[at] as string
    at = protocol.isPath ? parts.length : at + 1
    const value = protocol.fromText(argument)
    if (typeof value === 'string') throw fail(`invalid value ${quote(argument)} for protocol ${protocol.name}: ${value}`)
    const problem = protocol.validate(value)
    if (problem !== undefined) throw invalid(`failed to validate multiaddr ${quote(text)}: invalid value ${quote(argument)} for protocol ${protocol.name}: ${problem}`)
    components.push({ protocol, value })
  }
  return components
}

function formatComponents (components: readonly Component[]): Multiaddress {
  let text = ''
  for (const { protocol, value } of components) {
    text += `/${protocol.name}`
    if (protocol.isPath) text += protocol.toText(value)
    else if (protocol.size !== 0) text += `/${protocol.toText(value)}`
  }
  return text as Multiaddress
}

function writeVarint (value: number): Uint8Array {
  const bytes: number[] = []
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80)
  return Uint8Array.of(...bytes, value)
}

function readVarint (bytes: Uint8Array, at: number): { value: number, next: number } {
  let value = 0
  for (let i = 0; i < 7; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) throw invalid('varints malformed, could not reach the end')
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      if (byte === 0 && i > 0) throw invalid('varint not minimally encoded')
      return { value, next: at + i + 1 }
    }
  }
  throw invalid('varints larger than uint63 not supported')
}

function invalid (message: string): ClusterError {
  return new ClusterError('INVALID_MULTIADDRESS', message)
}
