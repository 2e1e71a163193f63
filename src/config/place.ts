import { ClusterError } from '../domain/errors.ts'

/** What reading a configuration needs to know of the machine. */
export interface ReadingContext {
  /** The configuration folder, absolute: relative paths in the file start there. */
  readonly folder: string
  readonly hostname: string
  /** Told in one sentence what was strange and accepted all the same. */
  readonly warn: (message: string) => void
}

/** Characters of a wrong value that a message repeats: enough to find it in the file. */
const shownValueLength = 80

/** Where in the configuration a value stands: names it in errors and warnings. */
export class Place {
  /** For example `api.restapi`. */
  readonly section: string
  /** Inside the section: `batching.max_batch_size`; empty for the section itself. */
  readonly key: string
  readonly hidden: boolean
  readonly context: ReadingContext

  constructor (section: string, key: string, hidden: boolean, context: ReadingContext) {
    this.section = section
    this.key = key
    this.hidden = hidden
    this.context = context
  }

  inside (key: string, hidden = false): Place {
    return new Place(this.section, this.key === '' ? key : `${this.key}.${key}`, this.hidden || hidden, this.context)
  }

  /** The name that the reference's messages use for the section: its last word. */
  get component (): string { return this.section.slice(this.section.lastIndexOf('.') + 1) }

  get path (): string { return this.key === '' ? this.section : `${this.section}.${this.key}` }

  /** The error that refuses `value`: `message` is the contract's text where it fixes one. */
  refuse (value: unknown, allowed: string, message: string): ClusterError {
    return new ClusterError('INVALID_CONFIGURATION', message, { details: { section: this.section, key: this.key, value: this.show(value), allowed } })
  }

  wrongType (value: unknown, allowed: string): ClusterError {
    return this.refuse(value, allowed, `${this.path} must be ${allowed}, not ${this.show(value)}`)
  }

  warn (message: string): void { this.context.warn(`${this.path}: ${message}`) }

  /** `value` as it may be shown: short, and never a secret. */
  show (value: unknown): string {
    if (this.hidden) return 'the given one (hidden)'
    const text = JSON.stringify(value) ?? 'nothing'
    return text.length > shownValueLength ? `${text.slice(0, shownValueLength)}…` : text
  }
}

/** Where, what and why in one line, or undefined for an error that has nothing to add to its message. */
export function configurationErrorDetails (error: unknown): string | undefined {
  if (!(error instanceof ClusterError) || error.code !== 'INVALID_CONFIGURATION') return undefined
  const { section, key, value, allowed } = error.details
  if (section === undefined) return undefined
  return `${String(section)}${key === '' ? '' : `.${String(key)}`} is ${String(value)}; allowed: ${String(allowed)}`
}
