import { getSystemErrorMap } from 'node:util'

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
