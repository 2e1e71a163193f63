import { requests } from '../../client/requests.ts'
import type { Call } from '../command-line/command.ts'
import { cidArgument } from './arguments.ts'
import type { Connection } from './connection.ts'
import { formatStatus } from './format.ts'
import { respond, respondStream } from './respond.ts'

/** Tries again what failed, for one CID or for all. */
export async function recover (call: Call<Connection>): Promise<number> {
  const local = call.flags.boolean('local')
  const cid = call.arguments[0] ?? ''
  return cid === ''
    ? await respondStream(call, requests.recoverAll(local), formatStatus)
    : await respond(call, requests.recover(cidArgument(cid), local), formatStatus)
}
