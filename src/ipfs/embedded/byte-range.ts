import type { ByteRange } from './unixfs-file.ts'

/**
 * The part that a Range header asks for (RFC 9110, 14.2); undefined for all of it, also when the
 * header cannot be read or asks for several parts; `unsatisfiable` when it is beyond the end.
 */
export function requestedRange (header: string | undefined, lengthBytes: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header?.trim() ?? '')
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return undefined
    const from = Math.max(0, lengthBytes - Number(last))
    return from < lengthBytes ? { from, to: lengthBytes } : 'unsatisfiable'
  }
  const from = Number(first)
  if (last !== '' && Number(last) < from) return undefined
  if (from >= lengthBytes) return 'unsatisfiable'
  return { from, to: last === '' ? lengthBytes : Math.min(lengthBytes, Number(last) + 1) }
}
