import { addOptionsFromQuery } from '../../adder/add-options.ts'
import type { AddOptions } from '../../adder/adder.ts'
import { readUpload, type Upload } from '../../adder/multipart.ts'
import type { ClusterOperations } from '../../cluster/operations.ts'
import { AddedOutputMessage } from '../../codec/messages.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { HeaderLines } from '../cors.ts'
import type { Exchange } from '../exchange.ts'
import { endStream, trailerHeader } from '../stream-answer.ts'

/** Clients such as browsers must not keep the answer, and Kubo's clients need the connection to end with it. */
const addHeaders: HeaderLines = ['Cache-Control', 'no-cache', 'Connection', 'close']
/** Longest answer that is one array, in bytes: it is held in memory until the end. */
const maxArrayBytes = 256 * 1024 * 1024

/** Adding content (spec/rest-api.md 8). */
export class AddHandlers {
  readonly #operations: ClusterOperations

  constructor (operations: ClusterOperations) { this.#operations = operations }

  add = async (exchange: Exchange): Promise<void> => {
    const { request } = exchange
    const upload = readUpload(request, request.headers['content-type'] ?? '')
    const { streamChannels, ...options } = addOptionsFromQuery(exchange.query, exchange.startedAt)
    await upload.begin()
    if (streamChannels) await this.#stream(exchange, upload, options)
    else await this.#collect(exchange, upload, options)
  }

  /** An event a line as it happens; an error is told in the trailer, which is not sent at all when there is none. */
  async #stream (exchange: Exchange, upload: Upload, options: AddOptions): Promise<void> {
    exchange.begin(200, [...addHeaders, 'X-Chunked-Output', '1', ...trailerHeader(exchange)])
    exchange.response.flushHeaders()
    const errors: string[] = []
    try {
      for await (const added of this.#operations.add(upload, options, { signal: exchange.signal })) {
        if (exchange.isAbandoned) break
        if (!exchange.write(Buffer.from(`${AddedOutputMessage.encodeJson(added)}\n`))) await exchange.drained()
      }
    } catch (error) {
      exchange.examine(error)
      errors.push(errorText(error))
    }
    if (exchange.isAbandoned) exchange.drop()
    else endStream(exchange, errors)
  }

  /** All events in one array at the end, or one error. */
  async #collect (exchange: Exchange, upload: Upload, options: AddOptions): Promise<void> {
    const events: string[] = []
    let sizeBytes = 0
    try {
      for await (const added of this.#operations.add(upload, options, { signal: exchange.signal })) {
        const event = AddedOutputMessage.encodeJson(added)
        sizeBytes += event.length
        if (sizeBytes > maxArrayBytes) throw new ClusterError('TOO_LARGE', 'the answer is too long for one array: add with stream-channels=true')
        events.push(event)
      }
    } catch (error) {
      exchange.examine(error)
      if (exchange.isAbandoned) exchange.drop()
      else exchange.refuse(500, errorText(error), addHeaders)
      return
    }
    exchange.json(`[${events.join(',')}]`, 200, addHeaders)
  }
}
