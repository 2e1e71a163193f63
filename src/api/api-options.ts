import type { Multiaddress } from '../domain/peer.ts'

/** How a server listens, for all APIs: keys of their sections in service.json (spec/config.md). Times in milliseconds, 0 for no limit. */
export interface ListenOptions {
  readonly httpListenMultiaddress: readonly Multiaddress[]
  /** PEM files, relative to the configuration folder; both empty for plain HTTP. */
  readonly sslCertFile: string
  readonly sslKeyFile: string
  /** For a whole request to arrive. */
  readonly readTimeoutMs: number
  readonly readHeaderTimeoutMs: number
  /** From a request's headers to the end of its answer. */
  readonly writeTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly maxHeaderBytes: number
  /** Where requests are logged, relative to the configuration folder; empty for the peer's log. */
  readonly httpLogFile: string
}

/** Who may ask from other web pages. Empty lists have the defaults of rs/cors (spec/rest-api.md 10). */
export interface CorsOptions {
  readonly corsAllowedOrigins: readonly string[]
  readonly corsAllowedMethods: readonly string[]
  readonly corsAllowedHeaders: readonly string[]
  readonly corsExposedHeaders: readonly string[]
  readonly corsAllowCredentials: boolean
  readonly corsMaxAgeMs: number
}

/** Options of an API for programs: the sections `api.restapi` and `api.pinsvcapi`. */
export interface ApiOptions extends ListenOptions, CorsOptions {
  /** Passwords by user; undefined for no authentication. */
  readonly basicAuthCredentials: Readonly<Record<string, string>> | undefined
  /** Added to every answer of a handler, each value as a line of its own. */
  readonly headers: Readonly<Record<string, readonly string[]>>
}
