import { ClusterError } from '../domain/errors.ts'
import type { Exchange } from './exchange.ts'

/** Longest body of a JSON request, in bytes. */
const maxBodyBytes = 64 * 1024
/** For a body of that size to arrive. */
const bodyTimeoutMs = 10_000

/**
 * The body of a request that carries JSON.
 * @throws ClusterError `TOO_LARGE`; `INVALID_INPUT` when it does not arrive in time; `CANCELLED`
 */
export async function readBody (exchange: Exchange): Promise<string> {
  const { request, context: { clock } } = exchange
  const pieces: Buffer[] = []
  let sizeBytes = 0
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: ClusterError): void => {
      stopWaiting()
      request.off('data', take)
      request.off('end', settle)
      request.off('close', abandon)
      if (error === undefined) resolve()
      else reject(error)
    }
    const take = (piece: Buffer): void => {
      sizeBytes += piece.length
      if (sizeBytes > maxBodyBytes) settle(new ClusterError('TOO_LARGE', `the request body is larger than ${maxBodyBytes} bytes`))
      else pieces.push(piece)
    }
    const abandon = (): void => settle(new ClusterError('CANCELLED', 'the client went away in the middle of the request'))
    const stopWaiting = clock.after(bodyTimeoutMs, () => settle(new ClusterError('INVALID_INPUT', `the request body did not arrive within ${bodyTimeoutMs / 1000} s`)))
    request.on('data', take)
    request.on('end', settle)
    request.on('close', abandon)
  })
  return Buffer.concat(pieces).toString()
}
