import { mkdtemp, rm } from 'node:fs/promises'
import { hash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode as encodePb } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { parseCid, type Cid } from '../../domain/cid.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin, type PinOptions } from '../../domain/pin.ts'
import { systemClock } from '../../platform/clock.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { systemRandom } from '../../platform/random.ts'
import type { Block } from '../connector.ts'
import { embeddedConnector, type EmbeddedConnector, type EmbeddedConnectorOptions } from './embedded-connector.ts'

/* What the tests of the embedded node share: nodes in folders of their own, blocks and pins. */

export const platform: Platform = { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }

export const loopback = '/ip4/127.0.0.1/tcp/0' as Multiaddress

export function nodeOptions (folder: string, options: Partial<EmbeddedConnectorOptions> = {}): EmbeddedConnectorOptions {
  return { folder, storageMaxBytes: 1e9, listenAddresses: [loopback], publicNetwork: false, bootstrap: [], pinTimeoutMs: 20_000, unpinTimeoutMs: 20_000, requestTimeoutMs: 20_000, gatewayAddress: '', putLeaseMs: 0, ...options }
}

/** Runs `work` with as many started nodes as it has options. */
export async function withNodes (each: ReadonlyArray<Partial<EmbeddedConnectorOptions>>, work: (...nodes: EmbeddedConnector[]) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-'))
  const nodes = each.map((options, i) => embeddedConnector(nodeOptions(join(folder, `node${i}`), options), platform))
  try {
    for (const node of nodes) await node.start(new AbortController().signal)
    await work(...nodes)
  } finally {
    await Promise.all(nodes.map(node => node.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}

export function rawBlock (content: string | Uint8Array): Block { return block(0x55, Buffer.from(content as string)) }

export function folderBlock (entries: Readonly<Record<string, Block>>): Block {
  return block(0x70, encodePb({ Data: new UnixFS({ type: 'directory' }).marshal(), Links: Object.entries(entries).toSorted(([a], [b]) => a < b ? -1 : 1).map(([Name, { cid, bytes }]) => ({ Name, Tsize: bytes.length, Hash: cid })) }))
}

export function block (codec: number, bytes: Uint8Array): Block {
  return { cid: CID.createV1(codec, createDigest(0x12, hash('sha256', bytes, 'buffer'))), bytes }
}

export function textOf (cid: CID): Cid { return parseCid(cid.toString()) }

export function pinOf (cid: CID | Cid, options: Partial<PinOptions> = {}): Pin {
  return pinWithOptions(parseCid(cid.toString()), { ...defaultPinOptions, ...options }, 0)
}

export async function * streamOf (blocks: Iterable<Block>): AsyncGenerator<Block> { yield * blocks }
