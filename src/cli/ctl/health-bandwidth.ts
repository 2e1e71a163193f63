import { requests } from '../../client/requests.ts'
import type { Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatBandwidth } from './format.ts'
import { respond } from './respond.ts'

export function showBandwidth (call: Call<Connection>): Promise<number> {
  return respond(call, requests.bandwidth(), formatBandwidth)
}
