import { hash } from 'node:crypto'
import type { ListedStatus } from '../../tracker/tracker.ts'

const unknown = new Uint8Array()

/** A digest of the pins of these statuses as they are stored, in their order; empty when the bytes of one are not known. */
export function digestOfPins (listed: readonly ListedStatus[]): Uint8Array {
  const values: Uint8Array[] = []
  for (const status of listed) {
    if (status.value !== undefined) values.push(status.value)
    else if (status.pin !== undefined) return unknown
  }
  return hash('sha256', Buffer.concat(values), 'buffer')
}

/** False also when one is not known. */
export function isSameDigest (a: Uint8Array, b: Uint8Array): boolean {
  return a.length > 0 && Buffer.compare(a, b) === 0
}
