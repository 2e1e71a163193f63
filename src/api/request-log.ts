import { open, type FileHandle } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { ClusterError, errorText } from '../domain/errors.ts'
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
    return new FileLog(appendedFile(await open(path, 'a', 0o644)), path, problems)
  } catch (error) {
    throw new ClusterError('INVALID_CONFIGURATION', `the log of requests cannot be written: ${fileErrorText('open', path, error)}`, { cause: error })
  }
}

/** A file to which texts are appended, one after the other. */
export interface AppendedFile {
  append (text: string): Promise<void>
  close (): Promise<void>
}

/** What the disk does not take, because it is slow or full, is dropped and counted; then the log goes on. */
export class FileLog implements RequestLog {
  readonly #file: AppendedFile
  readonly #path: string
  readonly #problems: Logger
  #waiting: string[] = []
  /** Of the lines that wait or are on their way. */
  #pendingBytes = 0
  #dropped = 0
  #isFailing = false
  #writing: Promise<void> | undefined
  #closed: Promise<void> | undefined

  constructor (file: AppendedFile, path: string, problems: Logger) {
    this.#file = file
    this.#path = path
    this.#problems = problems
  }

  line (text: string): void {
    if (this.#closed !== undefined) return
    if (this.#pendingBytes > maxPendingBytes) {
      this.#dropped++
      return
    }
    this.#waiting.push(`${text}\n`)
    this.#pendingBytes += text.length + 1
    this.#writing ??= this.#write().finally(() => { this.#writing = undefined })
  }

  close (): Promise<void> {
    this.#closed ??= (async () => {
      await this.#writing
      await this.#file.close()
    })()
    return this.#closed
  }

  async #write (): Promise<void> {
    // The lines of one turn of the event loop go together.
    await undefined
    while (this.#waiting.length > 0) {
      const lines = this.#waiting
      this.#waiting = []
      const text = lines.join('')
      try {
        await this.#file.append(text)
        this.#succeeded()
      } catch (error) {
        this.#failed(lines.length, error)
      }
      this.#pendingBytes -= text.length
    }
  }

  #succeeded (): void {
    const [path, dropped] = [this.#path, this.#dropped]
    if (this.#isFailing) this.#problems.warn({ path, dropped }, 'the log of requests is written again')
    else if (dropped > 0) this.#problems.warn({ path, dropped }, 'the disk was too slow for the log of requests')
    this.#isFailing = false
    this.#dropped = 0
  }

  #failed (lines: number, error: unknown): void {
    if (!this.#isFailing) this.#problems.error({ path: this.#path, error: errorText(error) }, 'the log of requests cannot be written')
    this.#isFailing = true
    this.#dropped += lines
  }
}

const newline = 0x0a

/** A line that was cut off by a full disk ends before the next text begins. */
export function appendedFile (file: Pick<FileHandle, 'close'> & { write (bytes: Uint8Array, from: number): Promise<{ readonly bytesWritten: number }> }): AppendedFile {
  let isCut = false
  return {
    async append (text) {
      const bytes = Buffer.from(isCut ? `\n${text}` : text)
      let written = 0
      try {
        while (written < bytes.length) written += (await file.write(bytes, written)).bytesWritten
      } finally {
        if (written > 0) isCut = bytes[written - 1] !== newline
      }
    },
    close: () => file.close(),
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
