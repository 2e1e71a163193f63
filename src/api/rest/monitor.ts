import type { ClusterOperations } from '../../cluster/operations.ts'
import { quoteJson } from '../../codec/json.ts'
import { MetricMessage } from '../../codec/messages.ts'
import type { Exchange } from '../exchange.ts'

/** The figures that peers publish of themselves (spec/rest-api.md 9). */
export class MonitorHandlers {
  readonly #operations: ClusterOperations

  constructor (operations: ClusterOperations) { this.#operations = operations }

  names = (exchange: Exchange): void => {
    exchange.json(`[${this.#operations.metricNames().map(quoteJson).join(',')}]`)
  }

  metrics = (exchange: Exchange): void => {
    const metrics = this.#operations.metrics(exchange.parameters['name'] ?? '')
    exchange.json(`[${metrics.map(MetricMessage.encodeJson).join(',')}]`)
  }
}
