import { pinOptionsFromQuery } from '../../codec/query.ts'
import { parseCid, type Cid } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { parsePeerId } from '../../domain/peer-id.ts'
import type { PinOptions } from '../../domain/pin.ts'
import { quote } from '../../domain/quote.ts'
import type { ScopeOptions } from '../../cluster/operations.ts'
import type { Exchange } from '../exchange.ts'

const optionsOfNoQuery = pinOptionsFromQuery(new Map(), 0)

/** The CID `{hash}`. @throws ClusterError `INVALID_CID` with the contract's text */
export function readCid (exchange: Exchange): Cid {
  return decodeCid(exchange.parameters['hash'] ?? '')
}

/** @throws ClusterError `INVALID_CID` with the contract's text */
export function decodeCid (text: string): Cid {
  try {
    return parseCid(text)
  } catch (error) {
    throw new ClusterError('INVALID_CID', `error decoding Cid: ${errorText(error)}`, { cause: error })
  }
}

/** The peer `{peer}`. @throws ClusterError `INVALID_PEER_ID` with the contract's text */
export function readPeer (exchange: Exchange): PeerId {
  try {
    return parsePeerId(exchange.parameters['peer'] ?? '')
  } catch (error) {
    throw new ClusterError('INVALID_PEER_ID', `error decoding Peer ID: ${errorText(error)}`, { cause: error })
  }
}

/**
 * The path `/{keyType}/{path}`, its root checked where it must be a CID.
 * @throws ClusterError `INVALID_PATH` with the contract's text
 */
export function readPath (exchange: Exchange): string {
  const { keyType = '', path: rest = '' } = exchange.parameters
  const path = `/${keyType}/${rest}`
  const fail = (reason: string, cause?: unknown): ClusterError => new ClusterError('INVALID_PATH', `error parsing path: invalid path ${quote(path)}: ${reason}`, { cause })
  const root = rest.split('/')[0] ?? ''
  if (root === '') throw fail('path does not have enough components')
  if (keyType !== 'ipns') {
    try {
      parseCid(root)
    } catch (error) {
      throw fail(errorText(error), error)
    }
  }
  return path
}

/** Pin options of the query. @throws ClusterError `INVALID_INPUT` with the contract's text for the first bad one */
export function readPinOptions (exchange: Exchange): PinOptions {
  return exchange.query.size === 0 ? optionsOfNoQuery : pinOptionsFromQuery(exchange.query, exchange.startedAt)
}

/** `local` is on for the text `true` alone. */
export function readScope (exchange: Exchange): ScopeOptions {
  return { signal: exchange.signal, local: exchange.query.get('local') === 'true' }
}
