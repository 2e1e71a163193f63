import type { ClusterOperations } from '../../cluster/operations.ts'
import { PeerInformationMessage, VersionMessage } from '../../codec/messages.ts'
import { ClusterError } from '../../domain/errors.ts'
import { parsePeerId } from '../../domain/peer-id.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Exchange } from '../exchange.ts'
import { readBody } from '../read-body.ts'
import { answerStream, linesOf } from '../stream-answer.ts'
import { readPeer } from './parameters.ts'

/** This peer and the others (spec/rest-api.md 7 and 9). */
export class PeerHandlers {
  readonly #operations: ClusterOperations

  constructor (operations: ClusterOperations) { this.#operations = operations }

  id = async (exchange: Exchange): Promise<void> => {
    exchange.json(PeerInformationMessage.encodeJson(await this.#operations.id({ signal: exchange.signal })))
  }

  version = (exchange: Exchange): void => {
    exchange.json(VersionMessage.encodeJson({ version: this.#operations.version() }))
  }

  list = (exchange: Exchange): Promise<void> =>
    answerStream(exchange, linesOf(this.#operations.peers({ signal: exchange.signal }), PeerInformationMessage.encodeJson))

  add = async (exchange: Exchange): Promise<void> => {
    const peer = decodePeerBody(await readBody(exchange))
    exchange.json(PeerInformationMessage.encodeJson(await this.#operations.addPeer(peer, { signal: exchange.signal })))
  }

  remove = async (exchange: Exchange): Promise<void> => {
    await this.#operations.removePeer(readPeer(exchange), { signal: exchange.signal })
    exchange.empty()
  }
}

/** `{"peer_id":"12D3…"}`. @throws ClusterError `INVALID_INPUT` with the contract's text */
function decodePeerBody (text: string): PeerId {
  const fail = (message: string, cause?: unknown): ClusterError => new ClusterError('INVALID_INPUT', message, { cause })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw fail('error decoding request body', error)
  }
  const id = typeof value === 'object' && !Array.isArray(value) ? (value as { peer_id?: unknown } | null)?.peer_id ?? '' : undefined
  if (typeof id !== 'string') throw fail('error decoding request body')
  try {
    return parsePeerId(id)
  } catch (error) {
    throw fail('error decoding peer_id', error)
  }
}
