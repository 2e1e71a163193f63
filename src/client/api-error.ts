import { ErrorMessage } from '../codec/messages.ts'
import { ClusterError, type ErrorCode } from '../domain/errors.ts'

/** What a request came to when it did not succeed. */
export class ApiError extends ClusterError {
  /** The code that the peer answered, or 0 when there was no answer. */
  readonly status: number

  constructor (status: number, message: string, options?: { cause?: unknown }) {
    super(codeOf(status), message, options)
    this.name = 'ApiError'
    this.status = status
  }

  /** The error that a peer sent. A body that is not the contract's is the message as it stands. */
  static fromAnswer (status: number, body: string): ApiError {
    try {
      const { code, message } = ErrorMessage.decodeJson(JSON.parse(body))
      return new ApiError(code === 0 ? status : code, message)
    } catch {
      return new ApiError(status, body)
    }
  }
}

function codeOf (status: number): ErrorCode {
  if (status === 0) return 'PEER_UNREACHABLE'
  return status === 404 ? 'NOT_FOUND' : 'API_ANSWER'
}
