import { ClusterError } from '../../domain/errors.ts'
import { webGet, WebError } from '../../platform/web-get.ts'
import { connectionReason, systemReason } from './system-error.ts'

/**
 * What a web server has at `url`, fetched when it is read.
 * @throws ClusterError `INVALID_PATH` with the reference's texts
 */
export async function * download (url: URL, environment: Readonly<Record<string, string | undefined>>): AsyncGenerator<Uint8Array> {
  const { status, body } = await webGet(url, { environment, userAgent: 'ipfs-cluster-ctl' }).catch((error: unknown) => {
    if (!(error instanceof WebError)) throw error
    const { url: asked, cause } = error
    throw failure(`Get "${shown(asked)}": ${cause === undefined ? error.message : connectionReason(cause, asked)}`, error)
  })
  if (status < 200 || status > 299) throw failure(`got non-2XX status code ${status}: ${shown(url)}`)
  try {
    yield * body
  } catch (error) {
    throw failure((error as { code?: unknown }).code === 'ECONNRESET' ? 'unexpected EOF' : systemReason(error), error)
  }
}

/** The URL without its password. */
function shown (url: URL): string {
  if (url.password === '') return url.href
  const copy = new URL(url)
  copy.password = '***'
  return copy.href
}

function failure (message: string, cause?: unknown): ClusterError {
  return new ClusterError('INVALID_PATH', message, { cause })
}
