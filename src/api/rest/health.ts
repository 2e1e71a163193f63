import type { ClusterOperations } from '../../cluster/operations.ts'
import { quoteJson } from '../../codec/json.ts'
import { AlertMessage, BandwidthMessage, ConnectGraphMessage } from '../../codec/messages.ts'
import type { Exchange } from '../exchange.ts'

/** How the cluster is (spec/rest-api.md 9). */
export class HealthHandlers {
  readonly #operations: ClusterOperations

  constructor (operations: ClusterOperations) { this.#operations = operations }

  /** The answer itself is the news. */
  health = (exchange: Exchange): void => exchange.empty()

  graph = async (exchange: Exchange): Promise<void> => {
    exchange.json(ConnectGraphMessage.encodeJson(await this.#operations.connectGraph({ signal: exchange.signal })))
  }

  alerts = (exchange: Exchange): void => {
    exchange.json(`[${this.#operations.alerts().map(AlertMessage.encodeJson).join(',')}]`)
  }

  bandwidth = (exchange: Exchange): void => {
    const byProtocol = Object.entries(this.#operations.bandwidth()).toSorted(([a], [b]) => a < b ? -1 : 1)
    exchange.json(`{${byProtocol.map(([protocol, bandwidth]) => `${quoteJson(protocol)}:${BandwidthMessage.encodeJson(bandwidth)}`).join(',')}}`)
  }
}
