import { requests } from '../../client/requests.ts'
import type { Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatMetricNames, formatMetrics } from './format.ts'
import { respond } from './respond.ts'

/** The metrics of that name, or the names of all metrics. */
export async function showMetrics (call: Call<Connection>): Promise<number> {
  const name = call.arguments[0] ?? ''
  if (name === '') return await respond(call, requests.metricNames(), formatMetricNames)
  return await respond(call, requests.metrics(name), metrics => formatMetrics(metrics, Date.now()))
}
