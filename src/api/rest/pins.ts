import type { ClusterOperations, ScopeOptions } from '../../cluster/operations.ts'
import { GlobalPinInfoMessage, PinMessage } from '../../codec/messages.ts'
import type { Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import { parseStatusFilter, type GlobalPinInfo } from '../../domain/status.ts'
import type { Exchange } from '../exchange.ts'
import { answerStream, linesOf, linesOfBatches } from '../stream-answer.ts'
import { decodeCid, readCid, readPath, readPinOptions, readScope } from './parameters.ts'

/**
 * Most statuses asked for at once for one request: each is a question to every holder. More than a
 * header block has room for, as it is by default: with a holder that hangs each lot takes 15 s.
 */
const maxStatusesAtOnce = 256

/** Pinning, unpinning, status and recovery (spec/rest-api.md 4 and 6). */
export class PinHandlers {
  readonly #operations: ClusterOperations

  constructor (operations: ClusterOperations) { this.#operations = operations }

  pin = async (exchange: Exchange): Promise<void> => {
    // The exchange itself: its signal is made when somebody asks for it, which few pins need.
    const pin = await this.#operations.pin(readCid(exchange), readPinOptions(exchange), exchange)
    exchange.json(PinMessage.encodeJson(pin))
  }

  pinPath = async (exchange: Exchange): Promise<void> => {
    const pin = await this.#operations.pinPath(readPath(exchange), readPinOptions(exchange), { signal: exchange.signal })
    exchange.json(PinMessage.encodeJson(pin))
  }

  unpin = async (exchange: Exchange): Promise<void> => {
    const cid = readCid(exchange)
    readPinOptions(exchange)
    exchange.json(PinMessage.encodeJson(await this.#operations.unpin(cid, { signal: exchange.signal })))
  }

  unpinPath = async (exchange: Exchange): Promise<void> => {
    const path = readPath(exchange)
    readPinOptions(exchange)
    exchange.json(PinMessage.encodeJson(await this.#operations.unpinPath(path, { signal: exchange.signal })))
  }

  status = async (exchange: Exchange): Promise<void> => {
    const cid = readCid(exchange)
    readPinOptions(exchange)
    exchange.json(GlobalPinInfoMessage.encodeJson(await this.#operations.status(cid, readScope(exchange))))
  }

  recover = async (exchange: Exchange): Promise<void> => {
    const cid = readCid(exchange)
    readPinOptions(exchange)
    exchange.json(GlobalPinInfoMessage.encodeJson(await this.#operations.recover(cid, readScope(exchange))))
  }

  statusAll = (exchange: Exchange): Promise<void> => {
    const cids = exchange.query.get('cids') ?? ''
    const scope = readScope(exchange)
    if (cids !== '') return answerStream(exchange, linesOf(this.#statuses(cids.split(',').map(decodeCid), scope), GlobalPinInfoMessage.encodeJson))
    const filter = parseStatusFilter(exchange.query.get('filter') ?? '')
    if (filter === undefined) throw new ClusterError('INVALID_INPUT', 'invalid filter value')
    return answerStream(exchange, this.#operations.statusesEncoded?.(filter, scope) ?? linesOfBatches(this.#operations.statusAll(filter, scope), GlobalPinInfoMessage.encodeJson))
  }

  recoverAll = (exchange: Exchange): Promise<void> =>
    answerStream(exchange, linesOf(this.#operations.recoverAll(readScope(exchange)), GlobalPinInfoMessage.encodeJson))

  /** Throws all errors together behind the statuses that could be had. */
  async * #statuses (cids: readonly Cid[], scope: ScopeOptions): AsyncGenerator<GlobalPinInfo> {
    const errors: unknown[] = []
    for (let at = 0; at < cids.length; at += maxStatusesAtOnce) {
      const results = await Promise.allSettled(cids.slice(at, at + maxStatusesAtOnce).map(cid => this.#operations.status(cid, scope)))
      for (const result of results) {
        if (result.status === 'fulfilled') yield result.value
        else errors.push(result.reason)
      }
    }
    if (errors.length > 0) throw new AggregateError(errors)
  }
}
