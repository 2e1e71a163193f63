/** What is known of a span, by name. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>

export interface SpanOptions {
  /** `server`: an answer to a request from outside; `client`: a request to another; `internal`: neither. */
  readonly kind: 'server' | 'client' | 'internal'
  readonly attributes?: SpanAttributes
  /** True for work that nobody waits for: it begins a trace of its own, wherever it was started. */
  readonly isRoot?: boolean
}

/** Something that takes time, as part of an operation that may cross components and peers. */
export interface Span {
  /** Runs `work` so that spans which it starts, now or later, become children of this one. */
  within<T> (work: () => T): T
  set (attribute: string, value: string | number | boolean): void
  /** Called once, when it is over; with the error if it has failed. */
  end (error?: unknown): void
}

/** Makes spans. A new one is a child of that within which it is started. */
export interface Tracer {
  span (name: string, options: SpanOptions): Span
}

const noSpan: Span = { within: work => work(), set: () => {}, end: () => {} }

/** For a peer that traces nothing. */
export const noTracer: Tracer = { span: () => noSpan }

/** Runs `work` within a span that ends when it does. */
export async function traced<T> (tracer: Tracer, name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  const span = tracer.span(name, options)
  try {
    const result = await span.within(work)
    span.end()
    return result
  } catch (error) {
    span.end(error)
    throw error
  }
}

/** Hands on what comes from `items` within a span that begins with the first request for one and ends with the last. */
export async function * tracedItems<T> (tracer: Tracer, name: string, options: SpanOptions, items: () => AsyncIterable<T>): AsyncGenerator<T> {
  const span = tracer.span(name, options)
  let failure: unknown
  try {
    yield * span.within(items)
  } catch (error) {
    failure = error
    throw error
  } finally {
    span.end(failure)
  }
}
