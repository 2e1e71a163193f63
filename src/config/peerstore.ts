import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ClusterError, errorText } from '../domain/errors.ts'
import { parseMultiaddress } from '../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { fileErrorText, isMissingFile, writeFileAtomically } from '../platform/files.ts'
import type { Configuration } from './configuration.ts'

/** Addresses read from one file: far more than any cluster has. */
const maxAddresses = 100_000
/** A file may be writable where none can take its place: mounted alone into a container, or in a folder of somebody else. */
const fixedFileCodes = new Set(['EBUSY', 'EXDEV', 'EACCES', 'EPERM', 'EROFS'])

/** The file of known peers' addresses, one with `/p2p/<id>` per line. */
export function peerstorePath (configuration: Configuration): string {
  return resolve(configuration.folder, configuration.cluster.peerstoreFile || 'peerstore')
}

/** The peer that an address ends with, and the way to it (empty when there is only the peer). */
export function splitPeerAddress (address: Multiaddress): { peer: PeerId, transport: string } | undefined {
  const [, transport, peer] = /^(.*)\/p2p\/([^/]+)$/.exec(address) ?? []
  return peer === undefined ? undefined : { peer: peer as PeerId, transport: transport as string }
}

/** The peers of these addresses, each once. Addresses without a peer at their end are left out. */
export function peersOfAddresses (addresses: readonly Multiaddress[]): PeerId[] {
  return [...new Set(addresses.flatMap(address => splitPeerAddress(address)?.peer ?? []))]
}

/**
 * Reads the addresses of a peerstore file; a file that is absent has none. Lines that are no
 * addresses are skipped, wrong ones with a warning.
 */
export function readPeerstore (path: string, warn: (message: string) => void): Multiaddress[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (!isMissingFile(error)) warn(fileErrorText('open', path, error))
    return []
  }
  return text.split('\n').filter(line => line.startsWith('/')).slice(0, maxAddresses).flatMap(line => {
    try {
      return [parseMultiaddress(line.trim())]
    } catch (error) {
      warn(`error parsing multiaddress from ${path}: ${errorText(error)}`)
      return []
    }
  })
}

/**
 * Writes a peerstore file, with the addresses in their order.
 * @throws ClusterError `INVALID_MULTIADDRESS` when an address does not end with its peer, `STORE_FAILED`
 */
export function writePeerstore (path: string, addresses: readonly Multiaddress[]): void {
  const lines = addresses.flatMap(address => {
    const parts = splitPeerAddress(address)
    if (parts === undefined) throw new ClusterError('INVALID_MULTIADDRESS', 'invalid p2p multiaddr', { details: { address } })
    return parts.transport === '' ? [] : [`${address}\n`]
  })
  try {
    writeLines(path, lines.join(''))
  } catch (error) {
    throw new ClusterError('STORE_FAILED', fileErrorText('open', path, error), { cause: error })
  }
}

function writeLines (path: string, text: string): void {
  try {
    writeFileAtomically(path, text, 0o644)
  } catch (error) {
    if (!fixedFileCodes.has((error as { code?: string }).code ?? '')) throw error
    writeFileSync(path, text, { mode: 0o644 })
  }
}
