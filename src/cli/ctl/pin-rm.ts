import { requests } from '../../client/requests.ts'
import { TrackerStatus } from '../../domain/status.ts'
import type { Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { showPinResult } from './pin-result.ts'

export async function removePin (call: Call<Connection>): Promise<number> {
  return await showPinResult(call, requests.unpin, call.arguments[0] ?? '', TrackerStatus.unpinned)
}
