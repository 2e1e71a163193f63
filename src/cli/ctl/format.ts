import { formatTime } from '../../codec/time.ts'
import type { Alert, Metric } from '../../domain/metric.ts'
import type { AddedOutput, Bandwidth, PeerInformation } from '../../domain/peer.ts'
import { isPinnedEverywhere, type Pin } from '../../domain/pin.ts'
import type { GlobalRepositoryCollection } from '../../domain/repository.ts'
import { statusName, type GlobalPinInfo } from '../../domain/status.ts'
import type { Time } from '../../domain/time.ts'
import { humanSize, humanTime } from './humanize.ts'

/* The human readable form of every answer, one function each, ending in a newline (spec/cli.md 2.8). */

export function formatPeer (peer: PeerInformation): string {
  if (peer.error !== '') return `${peer.id} | ERROR: ${peer.error}\n`
  const head = `${peer.id} | ${peer.peername} | Sees ${(peer.clusterPeers?.length ?? 0) - 1} other peers\n  > Addresses:\n${addressLines(peer.addresses)}`
  if (peer.ipfs.error !== '') return `${head}  > IPFS ERROR: ${peer.ipfs.error}\n`
  return `${head}  > IPFS: ${peer.ipfs.id ?? ''}\n${addressLines(peer.ipfs.addresses)}`
}

function addressLines (addresses: readonly string[] | null): string {
  return sortedTexts(addresses ?? []).map(address => `    - ${address}\n`).join('')
}

export function formatStatus (status: GlobalPinInfo): string {
  let text = status.name === '' ? `${status.cid}:\n` : `${status.cid} | ${status.name}:\n`
  for (const [peer, info] of sortedEntries(status.peerMap)) {
    const error = info.error === '' ? '' : `: ${info.error}`
    text += `    > ${padEnd(info.peername || peer, 20)} : ${statusName(info.status).toUpperCase()}${error} | ${formatTime(info.timestamp)}` +
      ` | Attempts: ${info.attemptCount} | Priority: ${info.priorityPin}\n`
  }
  return text
}

export function formatPin (pin: Pin): string {
  const type = pin.type.toUpperCase() + (pin.mode === 'direct' ? '-DIRECT' : '')
  const replicas = isPinnedEverywhere(pin)
    ? 'Repl. Factor: -1 | Allocations: [everywhere]'
    : `Repl. Factor: ${pin.replicationFactorMin}--${pin.replicationFactorMax} | Allocations: [${sortedTexts(pin.allocations ?? []).join(' ')}]`
  const depth = pin.maxDepth === 0 ? 'Direct' : pin.maxDepth === -1 ? 'Recursive' : `Recursive-${pin.maxDepth}`
  const metadata = Object.keys(pin.metadata ?? {}).length === 0 ? 'no' : 'yes'
  return `${pin.cid} | ${pin.name} | ${type} | ${replicas} | ${depth} | Metadata: ${metadata}` +
    ` | Exp: ${dayAndTime(pin.expireAt, '∞')} | Added: ${dayAndTime(pin.timestamp, 'unknown')}\n`
}

function dayAndTime (time: Time, unset: string): string {
  return time === 0 ? unset : formatTime(time).slice(0, 19).replace('T', ' ')
}

export function formatAdded (added: AddedOutput): string { return `added ${added.cid ?? ''} ${added.name}\n` }

export function formatAddedQuiet (added: AddedOutput): string { return `${added.cid ?? ''}\n` }

export function formatVersion ({ version }: { readonly version: string }): string { return `${version}\n` }

export function formatMetricNames (names: readonly string[]): string { return names.map(name => `${name}\n`).join('') }

export function formatMetrics (metrics: readonly Metric[], now: Time): string {
  return metrics.map(({ peer, name, value, weight, expire }) => {
    const shown = name === 'freespace' && weight > 0 ? humanSize(weight) : value
    return `${peer} | ${name}: ${shown} | Expires in: ${humanTime(expire, now)}\n`
  }).join('')
}

export function formatAlerts (alerts: readonly Alert[], now: Time): string {
  return alerts.map(({ peer, name, expire, triggeredAt }) =>
    `${peer}: ${name}. Expired at: ${humanTime(expire, now)}. Triggered at: ${humanTime(triggeredAt, now)}\n`).join('')
}

export function formatBandwidth (bandwidth: Readonly<Record<string, Bandwidth>>): string {
  return sortedEntries(bandwidth).map(([protocol, { totalIn, totalOut, rateIn, rateOut }]) =>
    `${padStart(protocol, 25)}: In: ${padStart(humanSize(totalIn), 7)}. Out: ${padStart(humanSize(totalOut), 7)}.` +
    ` RateIn: ${rateIn.toFixed(2)}B/s. RateOut: ${rateOut.toFixed(2)}B/s\n`).join('')
}

export function formatCollection ({ peerMap }: GlobalRepositoryCollection): string {
  return sortedEntries(peerMap).map(([peer, { peername, error, keys }]) => {
    const head = padEnd(peername || peer, 15) + (error === '' ? '' : ` | ERROR: ${error}`)
    return `${head}\n  > CIDs:\n${keys.map(key => `    - ${key.error === '' ? key.cid ?? '' : `ERROR: ${key.error}`}\n`).join('')}`
  }).join('')
}

export function formatApiError ({ status, message }: { readonly status: number, readonly message: string }): string {
  return `An error occurred:\n  Code: ${status}\n  Message: ${message}\n`
}

function sortedTexts (texts: readonly string[]): string[] { return texts.toSorted((a, b) => a < b ? -1 : 1) }

function sortedEntries<T> (map: Readonly<Record<string, T>>): Array<[string, T]> {
  return Object.entries(map).toSorted(([a], [b]) => a < b ? -1 : 1)
}

/** Padding counts characters, not the units of a string. */
function padEnd (text: string, width: number): string { return text + ' '.repeat(Math.max(0, width - [...text].length)) }
function padStart (text: string, width: number): string { return ' '.repeat(Math.max(0, width - [...text].length)) + text }
