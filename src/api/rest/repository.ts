import type { ClusterOperations } from '../../cluster/operations.ts'
import { GlobalRepositoryCollectionMessage } from '../../codec/messages.ts'
import type { Exchange } from '../exchange.ts'
import { readScope } from './parameters.ts'

/** The repositories of the IPFS nodes (spec/rest-api.md 9). */
export class RepositoryHandlers {
  readonly #operations: ClusterOperations

  constructor (operations: ClusterOperations) { this.#operations = operations }

  collectGarbage = async (exchange: Exchange): Promise<void> => {
    exchange.json(GlobalRepositoryCollectionMessage.encodeJson(await this.#operations.collectGarbage(readScope(exchange))))
  }
}
