import { ClusterError } from '../../domain/errors.ts'
import { notUnderstood } from './failures.ts'

/** Longest line: the confirmation of a batch of pins is some 10 kB; the list of a pin is a hundred bytes. */
export const maxLineBytes = 262_144

const newline = 0x0a

/** Cuts the pieces of an answer into lines, whatever their borders; a line that does not end is refused. */
export class LineSplitter {
  readonly #path: string
  readonly #onLine: (bytes: Buffer, start: number, end: number) => void
  #rest: Buffer = nothing

  /** `onLine` gets the bytes in which the line lies, without its line feed; empty lines are left out. */
  constructor (path: string, onLine: (bytes: Buffer, start: number, end: number) => void) {
    this.#path = path
    this.#onLine = onLine
  }

  push (chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      if (end > start) this.#onLine(bytes, start, end)
      start = end + 1
    }
    if (bytes.length - start > maxLineBytes) throw new ClusterError('IPFS_UNREACHABLE', `a line of the answer of the IPFS node is longer than ${maxLineBytes} bytes (${this.#path})`)
    this.#rest = start === bytes.length ? nothing : bytes.subarray(start)
  }

  /** The last line may lack its line feed. */
  end (): void {
    const rest = this.#rest
    this.#rest = nothing
    if (rest.length > 0) this.#onLine(rest, 0, rest.length)
  }
}

/**
 * The object on one line of an answer to `path`.
 * @throws ClusterError `IPFS_UNREACHABLE` when there is none
 */
export function lineObject (path: string, bytes: Buffer, start: number, end: number): Record<string, unknown> {
  const text = bytes.toString('utf8', start, end)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw notUnderstood(path, text)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notUnderstood(path, text)
  return value as Record<string, unknown>
}

const nothing = Buffer.alloc(0)
