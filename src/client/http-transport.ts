/**
 * How requests leave the program: `node:http` for the command line, `fetch` in a browser. The
 * client knows nothing else of the outside world, so it runs wherever somebody writes this.
 */
export interface HttpTransport {
  /**
   * Sends one request and resolves with the head of the answer.
   * @throws TransportError when there is no answer: nobody listens, connection lost, time is up
   */
  send (request: HttpRequest): Promise<HttpAnswer>
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: URL
  /** The path of a unix socket to use instead of the host in `url`. */
  readonly socketPath: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** Sent in chunks, no faster than the peer takes them. */
  readonly body: AsyncIterable<Uint8Array> | undefined
  readonly signal: AbortSignal | undefined
}

export interface HttpAnswer {
  readonly status: number
  /** The value of a header, by its lower case name. */
  header (name: string): string | undefined
  /** Read once, no faster than it is asked for. Leaving the iteration early gives the connection back. */
  readonly body: AsyncIterable<Uint8Array>
  /** The values of a trailer, by its lower case name; known when the body has ended. */
  trailer (name: string): readonly string[]
}

/** There was no answer. The message says why, without the request. */
export class TransportError extends Error {
  constructor (message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TransportError'
  }
}

/** The body could not be made, so that another host would not help. */
export class UploadError extends TransportError {
  constructor (message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'UploadError'
  }
}
