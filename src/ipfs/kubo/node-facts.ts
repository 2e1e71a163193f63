import { createHash } from 'node:crypto'
import { cidMultihash, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import type { IpfsId, Multiaddress } from '../../domain/peer.ts'
import { parsePeerId } from '../../domain/peer-id.ts'
import type { RepositoryStat } from '../../domain/repository.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Deadline } from './exchange.ts'
import { notUnderstood } from './failures.ts'
import type { KuboRpc } from './kubo-rpc.ts'

/** Short answers: an identity with hundreds of addresses, a configuration with large maps. */
const maxFactBytes = 8 * 2 ** 20
/** Largest block read: twenty times what IPFS nodes exchange. */
const maxBlockBytes = 40 * 2 ** 20

/** Addresses that cannot be read are left out: the node may know protocols that we do not. */
export async function nodeId (rpc: KuboRpc, logger: Logger, deadline: Deadline, options: CallOptions): Promise<IpfsId> {
  const path = 'id'
  const answer = await rpc.object({ path, deadline, signal: options.signal, maxBytes: maxFactBytes })
  const addresses: Multiaddress[] = []
  for (const text of Array.isArray(answer.Addresses) ? answer.Addresses as readonly unknown[] : []) {
    try {
      addresses.push(parseMultiaddress(String(text)))
    } catch {
      logger.debug({ address: String(text).slice(0, 200) }, 'cannot parse IPFS multiaddress, ignoring it')
    }
  }
  try {
    return { id: parsePeerId(String(answer.ID)), addresses, error: '' }
  } catch {
    throw notUnderstood(path, JSON.stringify(answer))
  }
}

export async function nodeVersion (rpc: KuboRpc, deadline: Deadline, options: CallOptions): Promise<string> {
  const path = 'version'
  const answer = await rpc.object({ path, deadline, signal: options.signal, maxBytes: maxFactBytes })
  if (typeof answer.Version !== 'string') throw notUnderstood(path, JSON.stringify(answer))
  return `Kubo ${answer.Version}`
}

export async function repositoryStat (rpc: KuboRpc, deadline: Deadline, options: CallOptions): Promise<RepositoryStat> {
  const path = 'repo/stat?size-only=true'
  const answer = await rpc.object({ path, deadline, signal: options.signal, maxBytes: maxFactBytes })
  const { RepoSize: repoSize, StorageMax: storageMax, NumObjects: numberOfObjects = 0 } = answer
  if (!isCount(repoSize) || !isCount(storageMax) || !isCount(numberOfObjects)) throw notUnderstood(path, JSON.stringify(answer))
  return { repoSize, storageMax, numberOfObjects }
}

/** A value of the node's configuration: the key of a section, or `Section/Key`. */
export async function configKey (rpc: KuboRpc, key: string, deadline: Deadline, options: CallOptions): Promise<unknown> {
  const slash = key.indexOf('/')
  const names = slash < 0 ? [key] : [key.slice(0, slash), key.slice(slash + 1)]
  let value: unknown = await rpc.object({ path: 'config/show', deadline, signal: options.signal, maxBytes: maxFactBytes })
  for (const name of names) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ClusterError('IPFS_ANSWER', 'invalid path')
    if (!Object.hasOwn(value, name)) throw new ClusterError('IPFS_ANSWER', 'key not found in configuration')
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

export async function getBlock (rpc: KuboRpc, cid: Cid, deadline: Deadline, options: CallOptions): Promise<Uint8Array> {
  const path = `block/get?arg=${cid}`
  const bytes = await rpc.call({ path, isLasting: true, deadline, signal: options.signal, maxBytes: maxBlockBytes })
  if (!matches(cid, bytes)) throw new ClusterError('IPFS_UNREACHABLE', `the IPFS node answered with other bytes than those of block ${cid} (${path})`)
  return bytes
}

/** True unless the hash is one that is cheap to check and it differs. */
function matches (cid: Cid, bytes: Uint8Array): boolean {
  const multihash = cidMultihash(cid)
  if (multihash[0] !== 0x12 || multihash[1] !== 32) return true
  return createHash('sha256').update(bytes).digest().equals(multihash.subarray(2))
}

function isCount (value: unknown): value is number { return typeof value === 'number' && Number.isFinite(value) && value >= 0 }
