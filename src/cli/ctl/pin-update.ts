import { requests } from '../../client/requests.ts'
import { defaultPinOptions } from '../../domain/pin.ts'
import { TrackerStatus } from '../../domain/status.ts'
import type { Call } from '../command-line/command.ts'
import { cidArgument, expiryArgument } from './arguments.ts'
import type { Connection } from './connection.ts'
import { showPinResult } from './pin-result.ts'

export async function updatePin (call: Call<Connection>): Promise<number> {
  const [from = '', to = ''] = call.arguments
  const options = { ...defaultPinOptions, pinUpdate: cidArgument(from, 'parsing from Cid'), name: call.flags.text('name') }
  const expireAt = expiryArgument(call.flags.text('expire-in'))
  return await showPinResult(call, path => requests.pin(path, { ...options, expireAt: expireAt() }), to, TrackerStatus.pinned)
}
