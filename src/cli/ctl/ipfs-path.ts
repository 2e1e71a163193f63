import { posix } from 'node:path'
import { parseCid } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import { quote } from '../../domain/quote.ts'

/**
 * The path that a CID or path argument means, such as `/ipfs/bafy…/file`. What is no path by itself
 * is taken as one below `/ipfs/`.
 * @throws ClusterError `INVALID_PATH` with the reference's text, which shows the lengthened path
 */
export function ipfsPath (argument: string): string {
  try {
    return parsePath(argument)
  } catch {
    return parsePath(`/ipfs/${argument}`)
  }
}

function parsePath (text: string): string {
  const fail = (reason: string): ClusterError => new ClusterError('INVALID_PATH', `invalid path ${quote(text)}: ${reason}`)
  const segments = posix.normalize(text).replace(/\/$/, '').replace(/^\//, '').split('/')
  const [namespace, root] = segments
  if (!text.startsWith('/') || root === undefined) throw fail('path does not have enough components')
  if (namespace === 'ipfs' || namespace === 'ipld') {
    try {
      parseCid(root)
    } catch (error) {
      throw fail(errorText(error))
    }
  } else if (namespace !== 'ipns') {
    throw fail(`unknown namespace: ${quote(namespace ?? '')}`)
  }
  return `/${segments.join('/')}${text.endsWith('/') ? '/' : ''}`
}
