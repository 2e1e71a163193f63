import type { ServiceId } from '../codec/peer-messages.ts'
import { ClusterError } from '../domain/errors.ts'
import { lookUp, methods, type MethodName } from './methods.ts'

/** What cannot be answered: the text goes to the caller, with the type of the error (spec/wire.md 5). */
export class Refusal extends Error {
  readonly errorType: 0 | 1 | 3

  constructor (text: string, errorType: 0 | 1 | 3) {
    super(text)
    this.errorType = errorType
  }
}

/**
 * The method that a caller names, which it may call. Looks the method up first and asks for
 * permission then, as the reference does.
 * @throws Refusal
 */
export function permittedMethod ({ service, method }: ServiceId, isTrusted: () => boolean): MethodName {
  const found = lookUp(service, method)
  if (found === 'no such service') throw new Refusal(`rpc: can't find service ${service}`, 1)
  if (found === 'no such method') throw new Refusal(`rpc: can't find method ${method}`, 1)
  if (found === 'closed' || (methods[found.name].access === 'trusted' && !isTrusted())) {
    throw new Refusal(`client does not have permissions to call ${service}.${method}`, 3)
  }
  return found.name
}

const unreadableCodes = new Set(['INVALID_WIRE_DATA', 'TOO_LARGE', 'INVALID_CID', 'INVALID_PEER_ID', 'INVALID_MULTIADDRESS'])

/** True for bytes that are not what belongs there. */
export function isUnreadable (error: unknown): boolean {
  return error instanceof ClusterError && unreadableCodes.has(error.code)
}
