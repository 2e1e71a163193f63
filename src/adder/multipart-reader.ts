import { ClusterError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'

/** Headers of a part: names in lower case, values as they came, one character a byte. */
export type PartHeaders = ReadonlyMap<string, string>

/** Bounds of one multipart body; see `defaultUploadLimits`. */
export interface PartLimits {
  readonly maxParts: number
  readonly maxHeaderBytes: number
  readonly maxHeaders: number
}

const empty = Buffer.alloc(0)
const carriageReturn = 13
const lineFeed = 10
const dash = 45

/** Longest run of blanks after a boundary that is read before it counts as garbage. */
const maxBoundaryLineBytes = 1024

/**
 * Takes a multipart body apart (RFC 2046 5.1) as the bytes come: one part after the other, its
 * headers and then its content, without keeping more than one piece of the stream. Lines may end
 * in LF alone when the first boundary does. Error texts are those of the reference.
 */
export class MultipartReader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #limits: PartLimits
  /** `--boundary`: what starts the first line of each part. */
  readonly #marker: Buffer
  /** The marker with the line end before it. */
  #delimiter: Buffer = empty
  /** Bytes that came and are not used yet. */
  #rest: Buffer = empty
  #ended = false
  #parts = 0
  #state: 'preamble' | 'content' | 'boundary' | 'closed' = 'preamble'

  constructor (source: AsyncIterator<Uint8Array>, boundary: string, limits: PartLimits) {
    this.#source = source
    this.#limits = limits
    this.#marker = Buffer.from(`--${boundary}`, 'latin1')
  }

  /**
   * Goes to the next part, past what was not read of the last one; undefined after the last.
   * @throws ClusterError `INVALID_INPUT`, `TOO_LARGE`
   */
  async nextPart (): Promise<PartHeaders | undefined> {
    if (this.#state === 'preamble') await this.#skipPreamble()
    while (this.#state === 'content') await this.read()
    if (this.#state === 'closed' || !await this.#passBoundaryLine()) {
      this.#state = 'closed'
      return undefined
    }
    if (++this.#parts > this.#limits.maxParts) throw new ClusterError('TOO_LARGE', `more than ${this.#limits.maxParts} files in one upload: add them in several`)
    const headers = await this.#readHeaders()
    this.#state = 'content'
    await this.#passEmptyContent()
    return headers
  }

  /** The next bytes of the part's content; undefined at its end. A body that is cut off ends the content: {@link nextPart} tells. */
  async read (): Promise<Uint8Array | undefined> {
    while (this.#state === 'content') {
      const at = this.#rest.indexOf(this.#delimiter)
      if (at === -1) {
        const safe = this.#rest.length - this.#heldBack()
        if (safe > 0) return this.#take(safe)
        if (await this.#fill()) continue
        this.#state = 'boundary'
        return this.#rest.length > 0 ? this.#take(this.#rest.length) : undefined
      }
      const verdict = this.#isBoundary(at + this.#delimiter.length)
      if (verdict === undefined) {
        if (at > 0) return this.#take(at)
        await this.#fill()
        continue
      }
      if (!verdict) return this.#take(at + this.#delimiter.length)
      this.#state = 'boundary'
      const content = this.#take(at)
      this.#take(this.#delimiter.length)
      return content.length > 0 ? content : undefined
    }
    return undefined
  }

  /** True when what follows a marker makes it one; undefined when too little is there to tell. */
  #isBoundary (after: number): boolean | undefined {
    const byte = this.#rest[after]
    if (byte === undefined) return this.#ended ? true : undefined
    if (byte !== dash) return byte === 0x20 || byte === 0x09 || byte === carriageReturn || byte === lineFeed
    const next = this.#rest[after + 1]
    if (next === undefined) return this.#ended ? false : undefined
    return next === dash
  }

  /** How many bytes at the end may be the start of a delimiter. */
  #heldBack (): number {
    if (this.#ended) return 0
    const from = Math.max(0, this.#rest.length - this.#delimiter.length + 1)
    for (let at = this.#rest.indexOf(this.#delimiter[0] as number, from); at !== -1; at = this.#rest.indexOf(this.#delimiter[0] as number, at + 1)) {
      const tail = this.#rest.length - at
      if (this.#rest.compare(this.#delimiter, 0, tail, at) === 0) return tail
    }
    return 0
  }

  /** A part without content has its boundary right after the headers. */
  async #passEmptyContent (): Promise<void> {
    while (this.#rest.length < this.#marker.length + 2 && this.#couldBeMarker() && await this.#fill());
    if (this.#rest.length >= this.#marker.length && this.#couldBeMarker() && this.#isBoundary(this.#marker.length) === true) {
      this.#take(this.#marker.length)
      this.#state = 'boundary'
    }
  }

  #couldBeMarker (): boolean {
    const length = Math.min(this.#rest.length, this.#marker.length)
    return this.#rest.compare(this.#marker, 0, length, 0, length) === 0
  }

  /** Skips what stands before the first boundary and learns how lines end. */
  async #skipPreamble (): Promise<void> {
    let atLineStart = true
    for (;;) {
      const at = this.#rest.indexOf(this.#marker)
      if (at === -1 || this.#rest.length < at + this.#marker.length + 2) {
        if (at > 0) atLineStart = this.#skip(at)
        else if (at === -1 && this.#rest.length > this.#marker.length) atLineStart = this.#skip(this.#rest.length - this.#marker.length + 1)
        if (!await this.#fill()) throw cutOff()
        continue
      }
      if (at > 0) atLineStart = this.#skip(at)
      if (atLineStart && this.#isBoundary(this.#marker.length) === true) break
      atLineStart = this.#skip(this.#marker.length)
    }
    this.#take(this.#marker.length)
    this.#state = 'boundary'
  }

  /** Throws `count` bytes away; tells whether a line begins after them. */
  #skip (count: number): boolean {
    return this.#take(count)[count - 1] === lineFeed
  }

  /** Reads what follows a marker on its line: true when a part comes, false after the last. */
  async #passBoundaryLine (): Promise<boolean> {
    while (this.#rest.length < 2 && await this.#fill());
    if (this.#rest[0] === dash && this.#rest[1] === dash) return false
    const line = await this.#readLine(maxBoundaryLineBytes)
    if (line === undefined) throw cutOff()
    const text = line.toString('latin1')
    if (text.trim() !== '') throw new ClusterError('INVALID_INPUT', `multipart: expecting a new Part; got line ${quote(text)}`)
    if (this.#delimiter.length === 0) {
      const lineEnd = text.endsWith('\r\n') ? '\r\n' : '\n'
      this.#delimiter = Buffer.concat([Buffer.from(lineEnd), this.#marker])
    }
    return true
  }

  async #readHeaders (): Promise<PartHeaders> {
    const headers = new Map<string, string>()
    let budget = this.#limits.maxHeaderBytes
    let last: string | undefined
    for (let count = 0; ; count++) {
      if (count > this.#limits.maxHeaders) throw tooManyHeaders()
      const line = await this.#readLine(budget)
      const text = (line ?? this.#take(this.#rest.length)).toString('latin1').replace(/\r?\n$/, '')
      if (line !== undefined && text === '') return headers
      budget -= line?.length ?? 0
      if (last !== undefined && /^[ \t]/.test(text)) {
        headers.set(last, `${headers.get(last)} ${text.trim()}`)
      } else {
        const colon = text.indexOf(':')
        if (colon <= 0) throw text === '' ? cutOff() : new ClusterError('INVALID_INPUT', `malformed MIME header: missing colon: ${quote(text.slice(0, 200))}`)
        last = text.slice(0, colon).toLowerCase()
        if (!headers.has(last)) headers.set(last, text.slice(colon + 1).trim())
      }
      if (line === undefined) throw cutOff()
    }
  }

  /** The next line with its end; undefined when the body ends before. */
  async #readLine (maxBytes: number): Promise<Buffer | undefined> {
    let searched = 0
    for (;;) {
      const at = this.#rest.indexOf(lineFeed, searched)
      if (at >= maxBytes || (at === -1 && this.#rest.length >= maxBytes)) throw tooManyHeaders()
      if (at !== -1) return this.#take(at + 1)
      searched = this.#rest.length
      if (!await this.#fill()) return undefined
    }
  }

  /** Gets the next piece of the stream; false at its end. */
  async #fill (): Promise<boolean> {
    if (this.#ended) return false
    const { done, value } = await this.#source.next()
    if (done === true) {
      this.#ended = true
      return false
    }
    const piece = Buffer.from(value.buffer, value.byteOffset, value.length)
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    return true
  }

  #take (count: number): Buffer {
    const taken = this.#rest.subarray(0, count)
    this.#rest = count === this.#rest.length ? empty : this.#rest.subarray(count)
    return taken
  }
}

/** What the reference says when the body ends before the closing boundary. */
function cutOff (): ClusterError {
  return new ClusterError('INVALID_INPUT', 'multipart: NextPart: EOF')
}

function tooManyHeaders (): ClusterError {
  return new ClusterError('TOO_LARGE', 'multipart: NextPart: the headers of a part are too large')
}
