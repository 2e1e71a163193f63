import { ClusterError, errorText } from '../../domain/errors.ts'
import { quote } from '../../domain/quote.ts'
import type { NodeAddress } from './node-address.ts'

/** An answer that is no answer is shown to people up to this length: enough to recognise a proxy's error page. */
const maxShownLength = 512

/** The node could not be reached, or the connection broke. The texts of failed dials are those of the reference. */
export function transportFailure (address: NodeAddress, path: string, error: unknown): ClusterError {
  return new ClusterError('IPFS_UNREACHABLE', `${posting(address, path)}: ${transportReason(address, error)}`, { cause: error })
}

/** `Post "URL"`, with which the reference begins every message about a request that got no answer. */
export function posting (address: NodeAddress, path: string): string {
  return `Post ${quote(`${address.shown}/api/v0/${path}`)}`
}

/** What the node's own refusal looks like: status other than 200 with a JSON body that has a `Message`. */
export function refusal (path: string, status: number, message: string): ClusterError {
  return new ClusterError('IPFS_ANSWER', `IPFS error (${path}). Code: ${status}. Message: ${message}`, { details: { status, message } })
}

/** The node's answer to `path` with a status other than 200. */
export function failedAnswer (path: string, status: number, body: string): ClusterError {
  const message = refusalMessage(body)
  if (message !== undefined) return refusal(path, status, message)
  return new ClusterError('IPFS_UNREACHABLE', `IPFS request failed (is it running?) (${path}). Code ${status}: ${shorten(body)}`, { details: { status } })
}

/**
 * The node refused after it had begun to answer with status 200: the message stands behind the
 * answer. It reads as it would have a moment earlier.
 */
export function lateRefusal (path: string, message: string): ClusterError {
  return refusal(path, 500, message)
}

/** The node answered with something else than its RPC answers. */
export function notUnderstood (path: string, answer: string): ClusterError {
  return new ClusterError('IPFS_UNREACHABLE', `cannot make sense of the answer of the IPFS node (is it one?) (${path}): ${quote(shorten(answer))}`)
}

/** The node ended its answer in the middle. */
export function cutOff (path: string): ClusterError {
  return new ClusterError('IPFS_UNREACHABLE', `the IPFS node ended its answer before it was complete (${path})`)
}

/** The refusal of a call as the node words it, or undefined for any other failure. */
export function refusedWith (error: unknown): string | undefined {
  return error instanceof ClusterError && error.code === 'IPFS_ANSWER' && typeof error.details.message === 'string' ? error.details.message : undefined
}

export function asClusterError (error: unknown): ClusterError {
  return error instanceof ClusterError ? error : new ClusterError('INTERNAL', errorText(error), { cause: error })
}

function refusalMessage (body: string): string | undefined {
  try {
    const answer = JSON.parse(body) as unknown
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return undefined
    const message = 'Message' in answer ? answer.Message : ''
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}

const dialReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  ENOENT: 'connect: no such file or directory',
  EACCES: 'connect: permission denied',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
  UND_ERR_CONNECT_TIMEOUT: 'i/o timeout',
  EMFILE: 'socket: too many open files',
}

interface NodeError { readonly code?: string, readonly address?: string, readonly port?: number, readonly hostname?: string, readonly errors?: readonly NodeError[] }

function transportReason (address: NodeAddress, error: unknown): string {
  const whole = error as NodeError
  // A name with several addresses fails with one error for each; they seldom differ in what they say.
  const one = whole.errors?.[0] ?? whole
  const code = one.code ?? ''
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${one.hostname ?? ''}: no such host`
  const reason = dialReasons[code]
  if (reason !== undefined) {
    const dialled = address.socketPath === undefined && one.address !== undefined ? `tcp ${one.address.includes(':') ? `[${one.address}]` : one.address}:${one.port}` : address.dial
    return `dial ${dialled}: ${reason}`
  }
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET') return 'the IPFS node closed the connection before its answer was complete'
  if (code.startsWith('HPE_')) return 'malformed HTTP response'
  return errorText(error)
}

function shorten (text: string): string {
  return text.length > maxShownLength ? `${text.slice(0, maxShownLength)}…` : text
}
