import { decodeBase58, encodeBase58 } from './base58.ts'
import { cidToBytes, parseCid } from './cid.ts'
import { ClusterError, errorText } from './errors.ts'
import type { PeerId } from './peer.ts'

/** Longest peer ID accepted, in bytes: room for every key type that libp2p has. */
const maxPeerIdBytes = 128

/**
 * Reads a peer ID: base58 (`12D3Koo…`, `Qm…`) or a CIDv1 with the libp2p-key codec in any base (`k51…`, `bafz…`).
 * @throws ClusterError `INVALID_PEER_ID`
 */
export function parsePeerId (text: string): PeerId {
  if (text.length > 512) throw invalid('too long')
  if (text.startsWith('Qm') || text.startsWith('1')) {
    const bytes = decodeBase58(text)
    if (bytes === undefined) throw invalid('invalid base58 digit')
    return peerIdFromBytes(bytes)
  }
  const bytes = bytesOfCid(text)
  if (bytes[0] !== 1 || bytes[1] !== 0x72) throw invalid('can\'t convert CID of another type to a peer ID')
  return peerIdFromBytes(bytes.subarray(2))
}

function bytesOfCid (text: string): Uint8Array {
  try {
    return cidToBytes(parseCid(text))
  } catch (error) {
    throw invalid(errorText(error))
  }
}

/**
 * The peer ID with these bytes: the multihash of a public key.
 * @throws ClusterError `INVALID_PEER_ID`
 */
export function peerIdFromBytes (bytes: Uint8Array): PeerId {
  const code = bytes[0]
  const length = bytes[1]
  const known = (code === 0x00 && length !== undefined && length > 0) || (code === 0x12 && length === 32)
  if (!known || bytes.length > maxPeerIdBytes || bytes.length !== (length as number) + 2) throw invalid('not the multihash of a public key')
  return encodeBase58(bytes) as PeerId
}

/** The binary peer ID (38 bytes for Ed25519). */
export function peerIdToBytes (peer: PeerId): Uint8Array {
  return decodeBase58(peer) as Uint8Array
}

function invalid (reason: string): ClusterError {
  return new ClusterError('INVALID_PEER_ID', `failed to parse peer ID: ${reason}`)
}
