import { ClusterError, errorText } from '../domain/errors.ts'
import type { Environment } from './environment.ts'

/** Time for the whole transfer: a start waits for it. */
const timeoutMs = 60_000
/** Far more than any configuration; the rest is not read. */
const maxSourceBytes = 8 * 1024 * 1024

/**
 * Fetches the configuration that a `source` names.
 * @throws ClusterError `INVALID_CONFIGURATION` with the contract's texts (spec/config.md 2)
 */
export async function fetchSource (url: string, environment: Environment): Promise<string> {
  const refuse = (message: string, value: string, cause?: unknown): ClusterError => new ClusterError('INVALID_CONFIGURATION', message, {
    cause, details: { section: 'source', key: '', value, allowed: `the URL of a service.json of at most ${maxSourceBytes} bytes, answered within ${timeoutMs / 1000} s` },
  })
  let status: number
  let text: string
  try {
    const { webGet } = await import('../platform/web-get.ts')
    const answer = await webGet(new URL(url), { environment, userAgent: 'ipfs-cluster-service', signal: AbortSignal.timeout(timeoutMs) })
    status = answer.status
    text = await readBounded(answer.body)
  } catch (error) {
    if (error instanceof RangeError) throw refuse(`the configuration at ${url} is larger than ${maxSourceBytes} bytes`, url, error)
    const cause = (error as Error).cause
    throw refuse(`could not fetch configuration from source: ${url}`, `${url} (${errorText(cause ?? error)})`, error)
  }
  if (status >= 300) throw refuse(`unsuccessful request (${status}): ${text}`, url)
  return text
}

async function readBounded (body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxSourceBytes) throw new RangeError('too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
