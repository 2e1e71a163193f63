import { requests } from '../../client/requests.ts'
import type { Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatAlerts } from './format.ts'
import { respond } from './respond.ts'

export function showAlerts (call: Call<Connection>): Promise<number> {
  return respond(call, requests.alerts(), alerts => formatAlerts(alerts, Date.now()))
}
