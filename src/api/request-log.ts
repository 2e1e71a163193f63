import { open } from 'node:fs/promises'
import { createWriteStream, type WriteStream } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { ClusterError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'
import type { Time } from '../domain/time.ts'
import { fileErrorText } from '../platform/files.ts'
import type { Logger } from '../platform/logger.ts'

/** Where answered requests are written down, in the Common Log Format. */
export interface RequestLog {
  line (text: string): void
  close (): Promise<void>
}

/** Lines that a slow disk may be behind, in bytes; what comes on top is dropped and counted. */
const maxPendingBytes = 1024 * 1024

/** The log file of an API, or the peer's own log when none is configured. @throws ClusterError `INVALID_CONFIGURATION` */
export async function openRequestLog (path: string, logger: Logger, problems: Logger): Promise<RequestLog> {
  if (path === '') return { line: text => logger.info(text), close: async () => {} }
  try {
    const file = await open(path, 'a', 0o644)
    return new FileLog(createWriteStream(path, { fd: file }), path, problems)
  } catch (error) {
    throw new ClusterError('INVALID_CONFIGURATION', `the log of requests cannot be written: ${fileErrorText('open', path, error)}`, { cause: error })
  }
}

class FileLog implements RequestLog {
  readonly #stream: WriteStream
  readonly #path: string
  readonly #problems: Logger
  #dropped = 0

  constructor (stream: WriteStream, path: string, problems: Logger) {
    this.#stream = stream
    this.#path = path
    this.#problems = problems
    stream.on('error', error => problems.error({ path, error: error.message }, 'the log of requests is no longer written'))
  }

  line (text: string): void {
    if (this.#stream.destroyed) return
    if (this.#stream.writableLength > maxPendingBytes) {
      this.#dropped++
      return
    }
    if (this.#dropped > 0) {
      this.#problems.warn({ path: this.#path, dropped: this.#dropped }, 'the disk was too slow for the log of requests')
      this.#dropped = 0
    }
    this.#stream.write(`${text}\n`)
  }

  async close (): Promise<void> {
    if (this.#stream.destroyed) return
    await new Promise<void>(resolve => {
      this.#stream.once('close', resolve)
      this.#stream.end()
    })
  }
}

/** `127.0.0.1 - - [24/Nov/2026:10:41:46 +0000] "GET /id HTTP/1.1" 200 505` */
export function commonLogLine (request: IncomingMessage, url: string, startedAt: Time, status: number, sizeBytes: number): string {
  const shownUrl = /^[\x21\x23-\x5b\x5d-\x7e]*$/.test(url) ? url : quote(url).slice(1, -1)
  return `${request.socket.remoteAddress ?? '@'} - - [${logTime(startedAt)}] "${request.method} ${shownUrl} HTTP/${request.httpVersion}" ${status} ${sizeBytes}`
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
let lastSecond = NaN
let lastText = ''

/** Made once a second. */
function logTime (time: Time): string {
  const second = Math.floor(time / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    const [year, month, day, clock] = new Date(second * 1000).toISOString().split(/[-T.]/) as [string, string, string, string]
    lastText = `${day}/${months[Number(month) - 1]}/${year}:${clock} +0000`
  }
  return lastText
}
