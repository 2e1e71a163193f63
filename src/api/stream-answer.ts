import type { ServerResponse } from 'node:http'
import { encodeLines } from '../codec/encode-lines.ts'
import { errorText } from '../domain/errors.ts'
import type { HeaderLines } from './cors.ts'
import type { Exchange } from './exchange.ts'

const trailerName = 'X-Stream-Error'
/** Bytes of all trailers: Go's client refuses an answer whose trailers do not fit into its buffer of 4,096, Node's above 16,384. */
const maxTrailerBytes = 3_500
/** And of one error among them. */
const maxErrorBytes = 1_000

/**
 * Answers one JSON value a line, as they come, at the pace at which the client reads
 * (spec/rest-api.md 1.3). `batches` yields whole lines. An error before the first of them is
 * an ordinary error answer, a later one is told in the trailer; the errors of an AggregateError
 * one by one. The iteration ends when the client goes away.
 */
export async function answerStream (exchange: Exchange, batches: AsyncIterable<Uint8Array>): Promise<void> {
  let hasBegun = false
  let errors: readonly string[] = []
  try {
    for await (const batch of batches) {
      if (exchange.isAbandoned) break
      if (batch.byteLength === 0) continue
      if (!hasBegun) exchange.begin(200, trailerHeader(exchange))
      hasBegun = true
      if (!exchange.write(batch)) await exchange.drained()
    }
  } catch (error) {
    const all: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
    for (const each of all) exchange.examine(each)
    errors = all.map(errorText)
  }
  if (exchange.isAbandoned) exchange.drop()
  else if (hasBegun) endStream(exchange, ['', ...errors])
  else if (errors.length > 0) answerError(exchange, errors.join('; '))
  else answerNothing(exchange)
}

/** Ends a stream that has begun, with a trailer for each of these texts; the empty one says that all went well. */
export function endStream (exchange: Exchange, texts: readonly string[]): void {
  for (const text of texts) if (text !== '') exchange.logError(500, text)
  if (texts.length > 0 && canHaveTrailers(exchange)) exchange.response.addTrailers(trailerValues(texts).map((value): [string, string] => [trailerName, value]))
  exchange.finish()
}

/** Announces the trailer to a client that can read one. */
export function trailerHeader (exchange: Exchange): HeaderLines {
  return canHaveTrailers(exchange) ? ['Trailer', trailerName] : []
}

function answerError (exchange: Exchange, message: string): void {
  exchange.logError(500, message)
  exchange.begin(500, trailerHeader(exchange))
  exchange.write(Buffer.from(`${exchange.context.errors.body(500, message)}\n`))
  exchange.finish()
}

function answerNothing (exchange: Exchange): void {
  exchange.begin(204, [])
  if (canHaveTrailers(exchange)) announceTrailer(exchange.response)
  exchange.finish()
}

/**
 * The contract announces a trailer on an empty stream too. The runtime refuses that where no body
 * follows, so the line is put into the head that it has made and not sent yet.
 */
function announceTrailer (response: ServerResponse): void {
  const made = response as unknown as { _header?: unknown }
  if (typeof made._header === 'string') made._header = made._header.replace(/\r\n$/, `Trailer: ${trailerName}\r\n\r\n`)
}

/** HTTP/1.0 has no chunks and so no trailers. */
function canHaveTrailers ({ request }: Exchange): boolean {
  return request.httpVersionMajor > 1 || request.httpVersionMinor >= 1
}

/** As many errors as there is room for, and how many more there are: with each of many peers that are gone comes one. */
function trailerValues (texts: readonly string[]): string[] {
  const values: string[] = []
  let bytes = 0
  for (const text of texts) {
    const value = trailerValue(shortened(text))
    bytes += `${trailerName}: \r\n`.length + value.length
    if (bytes > maxTrailerBytes) return [...values, `and ${texts.length - values.length} more errors, which the log of the peer has`]
    values.push(value)
  }
  return values
}

function shortened (text: string): string {
  const bytes = Buffer.from(text)
  return bytes.length <= maxErrorBytes ? text : `${bytes.subarray(0, maxErrorBytes).toString().replace(/\ufffd+$/, '')}…`
}

/** One line of the bytes of UTF-8, as header fields carry them. */
function trailerValue (text: string): string {
  // eslint-disable-next-line no-control-regex
  return Buffer.from(text).toString('latin1').replace(/[\r\n]/g, ' ').replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '').trim()
}

/** The lines of batches of values. */
export async function * linesOfBatches<T> (batches: AsyncIterable<readonly T[]>, encode: (value: T) => string): AsyncGenerator<Buffer> {
  for await (const batch of batches) yield encodeLines(batch, encode)
}

/** A line for each value. */
export async function * linesOf<T> (values: AsyncIterable<T>, encode: (value: T) => string): AsyncGenerator<Buffer> {
  for await (const value of values) yield Buffer.from(`${encode(value)}\n`)
}
