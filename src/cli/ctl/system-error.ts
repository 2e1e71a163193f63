import { getSystemErrorMap } from 'node:util'
import { errorText } from '../../domain/errors.ts'

/** The words of the operating system for what happened, as the reference prints them, or the message as it is. */
export function systemReason (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, errno } = error as NodeJS.ErrnoException
  const known = code === undefined ? undefined : reasons.get(code)
  return known ?? (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? error.message
}

/** Where the reference has other words than Node. */
const reasons = new Map([
  ['EHOSTUNREACH', 'no route to host'],
  ['ELOOP', 'too many levels of symbolic links'],
  ['ENAMETOOLONG', 'file name too long'],
  ['ENETUNREACH', 'network is unreachable'],
  ['ETIMEDOUT', 'connection timed out'],
  ['EISDIR', 'is a directory'],
  ['EMFILE', 'too many open files'],
])

export interface ConnectionFacts {
  readonly socketPath?: string | undefined
  /** True when the connection stood before it failed. */
  readonly isConnected?: boolean
}

/** Why a request to `url` had no answer, as the reference prints it: `dial tcp 127.0.0.1:9094: connect: connection refused`. */
export function connectionReason (error: unknown, url: URL, { socketPath, isConnected = false }: ConnectionFacts = {}): string {
  const last: unknown = error instanceof AggregateError ? error.errors.at(-1) : error
  const { code, syscall, address, port } = last as NodeJS.ErrnoException & { address?: string, port?: number }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${url.hostname}: no such host`
  if (isConnected) return code === 'ECONNRESET' ? 'EOF' : systemReason(last)
  if (code === 'EPROTO' && errorText(last).includes('wrong version number')) return 'http: server gave HTTP response to HTTPS client'
  if (code !== undefined && certificateCodes.test(code)) return `tls: failed to verify certificate: ${errorText(last).replace(/;.*/, '')}`
  // Errors of Node itself and of its parser, for example about a certificate, are not about dialling.
  if (code === undefined || /^(?!E[A-Z]+$)/.test(code)) return last instanceof Error && last.message === 'i/o timeout' ? `dial tcp ${target(url, address, port)}: i/o timeout` : errorText(last)
  if (socketPath !== undefined) return `dial unix ${socketPath}: connect: ${systemReason(last)}`
  return `dial tcp ${target(url, address, port)}: ${syscall === 'connect' ? 'connect: ' : ''}${systemReason(last)}`
}

const certificateCodes = /SELF_SIGNED|^UNABLE_TO_|^CERT_|ALTNAME_INVALID/

function target (url: URL, address = url.hostname, port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)): string {
  return `${address.includes(':') && !address.startsWith('[') ? `[${address}]` : address}:${port}`
}
