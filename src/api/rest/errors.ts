import { ErrorMessage } from '../../codec/messages.ts'
import { ClusterError, errorTable } from '../../domain/errors.ts'
import type { ErrorStyle } from '../exchange.ts'

/**
 * How the REST API tells errors (spec/rest-api.md 1.3): the one place where an error's code
 * becomes a status. What nobody foresaw is a 500.
 */
export const restErrors: ErrorStyle = {
  statusOf: error => error instanceof ClusterError ? errorTable[error.code].status : 500,
  body: (code, message) => ErrorMessage.encodeJson({ code, message }),
}
