import { PinMessage } from '../codec/messages.ts'
import { replicaKeys, suspectPrefix } from '../consensus/crdt/keys.ts'
import { cidFromKey, cidKey, type Cid } from '../domain/cid.ts'
import type { Pin } from '../domain/pin.ts'
import { allocatedRange, clusterDagRange, expiryRange } from '../state/pin-index.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import type { SimulatedDisk } from './simulated-store.ts'

/* What peers have on disk, seen from outside: without a wait, so that looking changes nothing. */

const keys = replicaKeys('/c')
const valuesPrefix = '/c/s/k/'

export interface StoredPinset {
  /** Stored bytes by key, in base64. */
  readonly values: ReadonlyMap<Cid, string>
  /** The same, to compare. */
  readonly digest: string
}

export function pinsetOn (disk: SimulatedDisk): StoredPinset {
  const known = read.get(disk)
  if (known?.version === disk.version) return known
  const pinset = { ...readPinset(disk), version: disk.version }
  read.set(disk, pinset)
  return pinset
}

const read = new WeakMap<SimulatedDisk, StoredPinset & { readonly version: number }>()

function readPinset (disk: SimulatedDisk): StoredPinset {
  const values = new Map<Cid, string>()
  for (const key of keysUnder(disk, valuesPrefix)) {
    const cid = key.endsWith('/v') ? cidFromKey(key.slice(valuesPrefix.length, -2)) : undefined
    if (cid !== undefined) values.set(cid, Buffer.from(disk.values.get(key) as Uint8Array).toString('base64'))
  }
  return { values, digest: [...values].map(([cid, value]) => `${cid} ${value}`).join('\n') }
}

export function pinOf (value: string): Pin {
  let pin = decoded.get(value)
  if (pin === undefined) {
    if (decoded.size >= maxDecoded) decoded.clear()
    decoded.set(value, pin = PinMessage.decodeProtobuf(Buffer.from(value, 'base64')))
  }
  return pin
}

const decoded = new Map<string, Pin>()
const maxDecoded = 10_000

/** What this peer is to have: the pinset on which all agree, or with what an outsider has changed for itself. */
export function pinsetFor (peer: SimulatedPeer, pinset: ReadonlyMap<Cid, Pin>): ReadonlyMap<Cid, Pin> {
  return peer.role === 'outsider' ? new Map([...pinsetOn(peer.disk).values].map(([cid, value]) => [cid, pinOf(value)])) : pinset
}

/** Acknowledged changes that stand in no delta yet. */
export function journalled (disk: SimulatedDisk): number { return keysUnder(disk, '/flotilla/journal/').length }

/** Keys of which is to be looked whether only moves keep them that outlived their pins. */
export function suspects (disk: SimulatedDisk): number { return keysUnder(disk, `${suspectPrefix}/`).length }

/** Changes that the tracker has not handled for good. */
export function unhandledChanges (disk: SimulatedDisk): number { return keysUnder(disk, '/flotilla/changes/').length }

/** Elements of the replicated set that keep this CID pinned. */
export function livingElements (disk: SimulatedDisk, cid: Cid): number {
  const key = `/${cidKey(cid)}`
  return keysUnder(disk, keys.elementPrefix(key)).filter(element => disk.values.get(keys.tombstone(key, element.slice(keys.elementPrefix(key).length - 1))) === undefined).length
}

/** Count and digest of the pinset that the peer keeps beside it, the digest as hex. */
export function figuresOn (disk: SimulatedDisk): { readonly count: number, readonly digest: string } {
  const [count, digest] = ['/flotilla/count', '/flotilla/digest'].map(key => Buffer.from(disk.values.get(key) ?? []))
  return { count: Number(count?.toString()), digest: digest?.toString('hex') ?? '' }
}

/** Keys of the indexes by which pins are found, in order. */
export function indexOn (disk: SimulatedDisk): string[] {
  return [allocatedRange, clusterDagRange, expiryRange].flatMap(({ gte }) => keysUnder(disk, gte))
}

export function headNames (disk: SimulatedDisk): string[] {
  return keysUnder(disk, keys.headPrefix).map(key => key.slice(keys.headPrefix.length))
}

/** True when another peer whom all trust has all that this one knows on its disk for good. */
export function isReplicated (peer: SimulatedPeer, peers: readonly SimulatedPeer[]): boolean {
  if (journalled(peer.disk) > 0) return false
  const heads = headNames(peer.disk).map(name => keys.processed(name))
  return peers.some(other => {
    if (other === peer || other.role !== 'member' || other.disk.isDamaged) return false
    const unsynced = other.disk.unsyncedKeys()
    return heads.every(key => other.disk.values.get(key) !== undefined && !unsynced.has(key))
  })
}

function keysUnder (disk: SimulatedDisk, prefix: string): string[] {
  return disk.values.range({ gte: prefix, lt: `${prefix}\u007f` })
}
