import { requests } from '../../client/requests.ts'
import type { Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatPeer } from './format.ts'
import { respondStream } from './respond.ts'

export function listPeers (call: Call<Connection>): Promise<number> {
  return respondStream(call, requests.peers(), formatPeer)
}
