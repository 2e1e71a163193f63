import type { Exchange } from './exchange.ts'

/** A row of an API's table. */
export interface Route {
  readonly method: string
  /** Segments: fixed, `{name}` for any one, `{name:a|b}` for one of these, `{name...}` for all that follow. */
  readonly path: string
  readonly handle: (exchange: Exchange) => void | Promise<void>
}

/** What stood in the places of a path, by their names. */
export type PathParameters = Readonly<Record<string, string>>

/** Fixed words of a path, and the places that take others. */
type Segment =
  | { readonly kind: 'fixed', readonly word: string }
  | { readonly kind: 'any' | 'rest', readonly name: string }
  | { readonly kind: 'choice', readonly name: string, readonly words: ReadonlySet<string> }

const noParameters: PathParameters = {}

/** The path of a row, made ready once to be compared with those of requests. */
export class PathPattern {
  readonly #segments: readonly Segment[]
  readonly #hasRest: boolean
  readonly #hasPlaces: boolean

  constructor (path: string) {
    this.#segments = segmentsOf(path).map(readSegment)
    this.#hasRest = this.#segments.at(-1)?.kind === 'rest'
    this.#hasPlaces = this.#segments.some(segment => segment.kind !== 'fixed')
  }

  /** The parameters in a path, given by its decoded segments; undefined when it is another path. */
  match (path: readonly string[]): PathParameters | undefined {
    const segments = this.#segments
    if (this.#hasRest ? path.length < segments.length : path.length !== segments.length) return undefined
    for (let i = 0; i < segments.length; i++) {
      if (!takes(segments[i] as Segment, path[i] as string)) return undefined
    }
    return this.#hasPlaces ? this.#read(path) : noParameters
  }

  #read (path: readonly string[]): PathParameters {
    const parameters: Record<string, string> = {}
    for (const [i, segment] of this.#segments.entries()) {
      if (segment.kind === 'rest') parameters[segment.name] = path.slice(i).join('/')
      else if (segment.kind !== 'fixed') parameters[segment.name] = path[i] as string
    }
    return parameters
  }
}

/** The segments of a path that begins with a slash. */
export function segmentsOf (path: string): string[] {
  return path.slice(1).split('/')
}

function readSegment (text: string): Segment {
  const place = /^\{(\w+)(\.\.\.|:[^}]+)?\}$/.exec(text)
  if (place === null) return { kind: 'fixed', word: text }
  const [, name = '', form] = place
  if (form === undefined) return { kind: 'any', name }
  return form === '...' ? { kind: 'rest', name } : { kind: 'choice', name, words: new Set(form.slice(1).split('|')) }
}

function takes (segment: Segment, word: string): boolean {
  switch (segment.kind) {
    case 'fixed': return segment.word === word
    case 'any': return word !== ''
    case 'choice': return segment.words.has(word)
    case 'rest': return true
  }
}
