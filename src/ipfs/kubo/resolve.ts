import { parseCid, type Cid } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import { quote } from '../../domain/quote.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import type { Deadline } from './exchange.ts'
import { notUnderstood } from './failures.ts'
import type { KuboRpc } from './kubo-rpc.ts'
import { queryEscape } from './query-escape.ts'

/** Longest path handed to the node: its request line has to hold it. */
const maxPathLength = 8_192
const namespaces = new Set(['ipfs', 'ipns', 'ipld'])

/**
 * The CID at the end of a path. A CID alone, with `/ipfs/` or `/ipld/` or nothing before it, is the answer itself.
 * @throws ClusterError `INVALID_PATH` for what is no path
 */
export async function resolvePath (rpc: KuboRpc, path: string, deadline: Deadline, options: CallOptions): Promise<Cid> {
  const segments = pathSegments(path)
  if (segments.cid !== undefined && segments.names.length === 0) return segments.cid
  const request = `resolve?arg=${queryEscape(segments.text)}`
  const { Path: resolved } = await rpc.object({ path: request, isLasting: true, deadline, signal: options.signal })
  if (typeof resolved !== 'string') throw notUnderstood(request, JSON.stringify(resolved) ?? '')
  try {
    const { cid } = pathSegments(resolved)
    if (cid !== undefined) return cid
  } catch {
    // Falls through to the same error.
  }
  throw notUnderstood(request, resolved)
}

/** The parts of a path; `cid` is undefined when it begins with a name (`/ipns/…`). */
function pathSegments (path: string): { text: string, cid: Cid | undefined, names: string[] } {
  const fail = (reason: string): ClusterError => new ClusterError('INVALID_PATH', `invalid path ${quote(path.slice(0, 512))}: ${reason}`)
  if (path.length > maxPathLength) throw fail('too long')
  const parts: string[] = []
  for (const part of (path.startsWith('/') ? path : `/ipfs/${path}`).split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  const [namespace, root, ...names] = parts
  if (namespace === undefined || root === undefined) throw fail('path does not have enough components')
  if (!namespaces.has(namespace)) throw fail(`unknown namespace ${quote(namespace)}`)
  const text = `/${parts.join('/')}`
  if (namespace === 'ipns') return { text, cid: undefined, names }
  try {
    return { text, cid: parseCid(root), names }
  } catch (error) {
    throw fail(errorText(error))
  }
}
