/**
 * Every error code of the product, in one table: HTTP status, exit code and one sentence of
 * advice. The API turns a code into a status in one place (`api/rest/errors.ts`).
 */
export const errorTable = {
  /** Input from outside that cannot be read. */
  INVALID_INPUT: { status: 400, exit: 1, advice: 'Correct the request and send it again.' },
  INVALID_CID: { status: 400, exit: 1, advice: 'Give a CID in its text form, for example bafy… or Qm….' },
  INVALID_PEER_ID: { status: 400, exit: 1, advice: 'Give a peer ID in its text form, for example 12D3Koo….' },
  INVALID_PATH: { status: 400, exit: 1, advice: 'Give a path such as /ipfs/<cid>/file.' },
  INVALID_MULTIADDRESS: { status: 400, exit: 1, advice: 'Give a multiaddress such as /ip4/127.0.0.1/tcp/9094.' },
  INVALID_WIRE_DATA: { status: 500, exit: 1, advice: 'The bytes come from a broken or hostile sender; nothing was changed.' },
  TOO_LARGE: { status: 413, exit: 1, advice: 'Send less at once.' },
  INVALID_CONFIGURATION: { status: 500, exit: 1, advice: 'Correct the named key in service.json or its environment variable.' },
  INVALID_IDENTITY: { status: 500, exit: 1, advice: 'Restore identity.json from a backup, or remove it to get a new identity with init.' },
  FOLDER_LOCKED: { status: 500, exit: 1, advice: 'Stop the other peer that uses this folder, or choose another with --config.' },
  ADDRESS_IN_USE: { status: 500, exit: 1, advice: 'Choose another address in service.json, or stop the program that listens there.' },
  /** The pinset. */
  NOT_FOUND: { status: 404, exit: 1, advice: 'List what is pinned with: ipfs-cluster-ctl pin ls' },
  PIN_REFUSED: { status: 500, exit: 1, advice: 'Change the pin options as the message says.' },
  NOT_ENOUGH_PEERS: { status: 500, exit: 1, advice: 'Add peers, or ask for fewer replicas.' },
  ADD_REFUSED: { status: 500, exit: 1, advice: 'Change the add options or the upload as the message says.' },
  FOLLOWER_MODE: { status: 500, exit: 1, advice: 'Send writes to a trusted peer of the cluster.' },
  CONSENSUS_FAILED: { status: 500, exit: 1, advice: 'See the log of the peer.' },
  UNSUPPORTED: { status: 500, exit: 1, advice: 'This consensus or setting does not have the operation.' },
  QUEUE_FULL: { status: 500, exit: 1, advice: 'Raise pin_tracker.stateless.max_pin_queue_size or wait until pins have finished.' },
  /** The IPFS node. */
  IPFS_ANSWER: { status: 500, exit: 1, advice: 'The IPFS node refused the request; its own message follows.' },
  IPFS_UNREACHABLE: { status: 500, exit: 1, advice: 'Check that the IPFS node runs at ipfs_connector.*.node_multiaddress.' },
  IPFS_STALLED: { status: 500, exit: 1, advice: 'No progress for ipfs_connector.*.pin_timeout: the content may have no provider.' },
  /** Store and platform. */
  STORE_DAMAGED: { status: 500, exit: 1, advice: 'Move the datastore folder away and restore with state import, or let the peer sync from the others.' },
  STORE_FULL: { status: 500, exit: 1, advice: 'Free disk space; the peer goes on by itself.' },
  STORE_FAILED: { status: 500, exit: 1, advice: 'Check the disk under the configuration folder.' },
  /** What a client of the API got; the exit code tells it from an API that was not reached. */
  API_ANSWER: { status: 500, exit: 2, advice: 'The peer refused the request; its own message follows.' },
  PEER_UNREACHABLE: { status: 500, exit: 1, advice: 'Check that the peer runs and has the same cluster secret.' },
  /** Another peer's answer to a call that it takes from trusted peers only (RPC ErrType 3): that peer is left out of lists. */
  NOT_AUTHORIZED: { status: 500, exit: 1, advice: 'Let the other peer trust this one: consensus.crdt.trusted_peers in its service.json.' },
  /** Another peer's own error, by its text. */
  PEER_ANSWER: { status: 500, exit: 1, advice: 'Another peer of the cluster answered with this error: see its log.' },
  CANCELLED: { status: 500, exit: 125, advice: 'The caller went away or the peer stops.' },
  TIMED_OUT: { status: 500, exit: 62, advice: 'Try again, or raise the time limit.' },
  INTERNAL: { status: 500, exit: 1, advice: 'This is a defect of the program: please report it.' },
} as const

export type ErrorCode = keyof typeof errorTable

/** The one error class of the product. `message` is what an operator or API client reads. */
export class ClusterError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor (code: ErrorCode, message: string, options: { cause?: unknown, details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ClusterError'
    this.code = code
    this.details = options.details ?? {}
  }

  get advice (): string { return errorTable[this.code].advice }
}

/** A broken promise of our own code. Ends the process: a wrong state must not be replicated. */
export class AssertionError extends Error {
  constructor (message: string) {
    super(`assertion failed: ${message}`)
    this.name = 'AssertionError'
  }
}

/** Throws {@link AssertionError} unless `condition` holds. */
export function assert (condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** The text of anything that was thrown. */
export function errorText (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
