import { requests } from '../../client/requests.ts'
import { parseStatusFilter } from '../../domain/status.ts'
import { CommandError, type Call } from '../command-line/command.ts'
import { cidArgument } from './arguments.ts'
import type { Connection } from './connection.ts'
import { formatStatus } from './format.ts'
import { respond, respondStream } from './respond.ts'

/** The status of one CID, of several, or of all that match the filter. */
export async function showStatus (call: Call<Connection>): Promise<number> {
  const local = call.flags.boolean('local')
  const cids = call.arguments.map(text => cidArgument(text))
  const [cid] = cids
  if (cid !== undefined && cids.length === 1) return await respond(call, requests.status(cid, local), formatStatus)
  if (cid !== undefined) return await respondStream(call, requests.statusOf(cids, local), formatStatus)
  const filter = parseStatusFilter(call.flags.text('filter'))
  if (filter === undefined) throw new CommandError('parsing filter flag', 'invalid filter name')
  return await respondStream(call, requests.statusAll(filter, local), formatStatus)
}
