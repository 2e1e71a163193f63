import type { ClusterOperations } from '../../cluster/operations.ts'
import { PinMessage } from '../../codec/messages.ts'
import { ClusterError } from '../../domain/errors.ts'
import { pinTypes, type PinType } from '../../domain/pin.ts'
import type { Exchange } from '../exchange.ts'
import { answerStream, linesOfBatches } from '../stream-answer.ts'
import { readCid, readPinOptions } from './parameters.ts'

/** What is in the pinset and who holds it (spec/rest-api.md 5). */
export class AllocationHandlers {
  readonly #operations: ClusterOperations

  constructor (operations: ClusterOperations) { this.#operations = operations }

  list = (exchange: Exchange): Promise<void> => {
    const types = parseTypeFilter(exchange.query.get('filter') ?? '')
    const options = { signal: exchange.signal }
    const lines = this.#operations.pinsEncoded?.(types, options) ?? linesOfBatches(this.#operations.pins(types, options), PinMessage.encodeJson)
    return answerStream(exchange, lines)
  }

  get = async (exchange: Exchange): Promise<void> => {
    const cid = readCid(exchange)
    readPinOptions(exchange)
    exchange.json(PinMessage.encodeJson(await this.#operations.pinGet(cid, { signal: exchange.signal })))
  }
}

/**
 * Undefined for all types. Names that nobody knows are skipped beside others.
 * @throws ClusterError `INVALID_INPUT` when none is known
 */
function parseTypeFilter (text: string): ReadonlySet<PinType> | undefined {
  const names = text.split(',')
  if (names.some(name => name === '' || name === 'all')) return undefined
  const types = new Set(pinTypes.filter(type => type !== 'bad-type' && names.includes(type)))
  if (types.size === 0) throw new ClusterError('INVALID_INPUT', 'invalid filter value')
  return types
}
