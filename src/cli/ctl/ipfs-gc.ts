import { requests } from '../../client/requests.ts'
import type { Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatCollection } from './format.ts'
import { respond } from './respond.ts'

export function collectGarbage (call: Call<Connection>): Promise<number> {
  return respond(call, requests.collectGarbage(call.flags.boolean('local')), formatCollection)
}
