import { writeBase32 } from '../domain/base32.ts'
import { writeBase58 } from '../domain/base58.ts'
import { assert } from '../domain/errors.ts'
import type { StoredPinScan } from './stored-pin-scan.ts'
import { formatTime, zeroTimeText } from './time.ts'

/** Writers of JSON into given bytes, for what {@link StoredPinScan} has found: each returns the end of what it wrote. */

const encoder = new TextEncoder()
const comma = 0x2c

/** A fixed part of a text as bytes. */
export function segment (text: string): Uint8Array { return encoder.encode(text) }

/** Segments that depend on few numbers are kept; real pinsets have a handful of each. */
const maxKeptSegments = 256

/** Makes each segment once. */
export function keeper (make: (a: number, b: number) => string): (a: number, b: number) => Uint8Array {
  const kept = new Map<string, Uint8Array>()
  let last: Uint8Array = new Uint8Array()
  let lastA = NaN
  let lastB = NaN
  return (a, b) => {
    if (a === lastA && b === lastB) return last
    const key = `${a},${b}`
    let segment = kept.get(key)
    if (segment === undefined) {
      segment = encoder.encode(make(a, b))
      if (kept.size >= maxKeptSegments) kept.clear()
      kept.set(key, segment)
    }
    last = segment
    lastA = a
    lastB = b
    return segment
  }
}

const zeroTime = segment(zeroTimeText)
/** The first moment of a day is unset on the very first. */
const dayStart = keeper((day) => `${formatTime(day * 86_400_000 + 1).slice(0, 10)}T`)

export function copy (segment: Uint8Array, target: Uint8Array, at: number): number {
  target.set(segment, at)
  return at + segment.length
}

/** Bytes that {@link StoredPinScan} found to need no escape. */
export function copyText (bytes: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  for (let i = start; i < end; i++) target[at++] = bytes[i] as number
  return at
}

const nullWord = segment('null')
const betweenKeyAndValue = segment('":"')

/** `null` where there is none. */
export function writeMetadata (scan: StoredPinScan, bytes: Uint8Array, target: Uint8Array, at: number): number {
  if (scan.entries === 0) return copy(nullWord, target, at)
  for (let i = 0; i < scan.entries; i++) {
    const [keyStart, keyEnd, valueStart, valueEnd] = scan.entryAt(i)
    target[at++] = i === 0 ? 0x7b : comma
    target[at++] = 0x22
    at = copyText(bytes, keyStart, keyEnd, target, at)
    at = copy(betweenKeyAndValue, target, at)
    at = copyText(bytes, valueStart, valueEnd, target, at)
    target[at++] = 0x22
  }
  target[at++] = 0x7d
  return at
}

export function writeCid (scan: StoredPinScan, bytes: Uint8Array, target: Uint8Array, at: number): number {
  if (scan.cidEnd - scan.cidStart === 34) return writeBase58(bytes, scan.cidStart, scan.cidEnd, target, at)
  target[at++] = 0x62
  return writeBase32(bytes, scan.cidStart, scan.cidEnd, 'lower', target, at)
}

/** RFC 3339 text of whole seconds since the epoch; 0 is the zero time. */
export function writeTime (seconds: number, target: Uint8Array, at: number): number {
  if (seconds === 0) return copy(zeroTime, target, at)
  const day = Math.floor(seconds / 86_400)
  const rest = seconds - day * 86_400
  const hour = (rest / 3600) | 0
  const minute = (rest / 60 | 0) - hour * 60
  at = copy(dayStart(day, 0), target, at)
  at = writeTwo(hour, target, at)
  target[at++] = 0x3a
  at = writeTwo(minute, target, at)
  target[at++] = 0x3a
  at = writeTwo(rest % 60, target, at)
  target[at++] = 0x5a
  return at
}

function writeTwo (number: number, target: Uint8Array, at: number): number {
  const tens = (number / 10) | 0
  target[at] = 0x30 + tens
  target[at + 1] = 0x30 + number - tens * 10
  return at + 2
}

export function writeAllocations (scan: StoredPinScan, target: Uint8Array, at: number): number {
  for (let i = 0; i < scan.allocations; i++) {
    if (i > 0) target[at++] = comma
    at = copy(scan.allocationJson[i] as Uint8Array, target, at)
  }
  return at
}

/** Any text, for which there is to be room. */
export function writeText (text: string, target: Uint8Array, at: number): number {
  const { read, written } = encoder.encodeInto(text, target.subarray(at))
  assert(read === text.length, 'there is room for the JSON')
  return at + written
}
