import { requests } from '../../client/requests.ts'
import type { Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatVersion } from './format.ts'
import { respond } from './respond.ts'

/** The version of the peer. */
export function showVersion (call: Call<Connection>): Promise<number> {
  return respond(call, requests.version(), formatVersion)
}
