import { ClusterError } from '../domain/errors.ts'

/** Longest line of a stream, in bytes: a pin with all its metadata and allocations is far below. */
export const maxLineBytes = 16 * 1024 * 1024

/**
 * The non-empty lines of a byte stream, together those that one chunk completes: whoever reads
 * works on a batch per wait instead of waiting per line. Holds one chunk and one unfinished line.
 * @throws ClusterError `TOO_LARGE`
 */
export async function * textLines (chunks: AsyncIterable<Uint8Array>, maxBytes = maxLineBytes): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder()
  const unfinished: Uint8Array[] = []
  let unfinishedBytes = 0
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(newline)
    const open = chunk.subarray(end + 1)
    if (end >= 0) {
      const text = decoder.decode(unfinished.length === 0 ? chunk.subarray(0, end) : join([...unfinished, chunk.subarray(0, end)]))
      unfinished.length = 0
      unfinishedBytes = 0
      const lines = text.split('\n').filter(line => line !== '')
      if (lines.length > 0) yield lines
    }
    if (open.length === 0) continue
    unfinishedBytes += open.length
    if (unfinishedBytes > maxBytes) throw new ClusterError('TOO_LARGE', `the answer has a line of more than ${maxBytes} bytes`)
    unfinished.push(open)
  }
  if (unfinishedBytes > 0) yield [decoder.decode(join(unfinished))]
}

/**
 * The whole of a byte stream as text.
 * @throws ClusterError `TOO_LARGE`
 */
export async function readText (chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new ClusterError('TOO_LARGE', `the answer has more than ${maxBytes} bytes`)
    parts.push(chunk)
  }
  return new TextDecoder().decode(join(parts))
}

const newline = 0x0a

function join (parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
