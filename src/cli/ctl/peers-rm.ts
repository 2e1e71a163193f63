import { parsePeerId } from '../../domain/peer-id.ts'
import type { PeerId } from '../../domain/peer.ts'
import { CommandError, type Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { reportingApiErrors } from './respond.ts'

export async function removePeer (call: Call<Connection>): Promise<number> {
  let peer: PeerId
  try {
    peer = parsePeerId(call.arguments[0] ?? '')
  } catch (error) {
    throw new CommandError('parsing peer ID', error)
  }
  return await reportingApiErrors(call, async () => {
    await (await call.context.client()).removePeer(peer)
  })
}
