import { requests } from '../../client/requests.ts'
import type { Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatPeer } from './format.ts'
import { respond } from './respond.ts'

export function showId (call: Call<Connection>): Promise<number> {
  return respond(call, requests.id(), formatPeer)
}
