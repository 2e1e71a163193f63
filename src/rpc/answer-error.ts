import type { ReplyHeader } from '../codec/peer-messages.ts'
import { ClusterError, type ErrorCode } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'

/**
 * Errors come from other peers as text. These are the texts of the reference and of this program
 * that mean something to a caller; all others are just the other peer's answer.
 */
const codesByText: ReadonlyArray<readonly [RegExp, ErrorCode]> = [
  [/pin is not part of the pinset/, 'NOT_FOUND'],
  [/configured to be in follower mode/, 'FOLLOWER_MODE'],
  [/consensus component cannot remove peers/, 'UNSUPPORTED'],
  [/^not enough peers to allocate CID/, 'NOT_ENOUGH_PEERS'],
  [/^IPFS error /, 'IPFS_ANSWER'],
  [/^IPFS request failed|^could not get pinset from IPFS/, 'IPFS_UNREACHABLE'],
  [/^context deadline exceeded/, 'TIMED_OUT'],
  [/^failed to dial/, 'PEER_UNREACHABLE'],
  [/^rpc: can't find (service|method) /, 'UNSUPPORTED'],
]
const notAuthorized = 3

/** The error that a peer has answered, with its text; which peer and which call is in `details`. */
export function answeredError (peer: PeerId, call: string, { error, errorType }: ReplyHeader): ClusterError {
  const code = errorType === notAuthorized ? 'NOT_AUTHORIZED' : codesByText.find(([text]) => text.test(error))?.[1] ?? 'PEER_ANSWER'
  return new ClusterError(code, error, { details: { peer, call } })
}
