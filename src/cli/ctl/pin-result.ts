import { setTimeout as sleep } from 'node:timers/promises'
import { requests, type SingleRequest } from '../../client/requests.ts'
import type { Pin } from '../../domain/pin.ts'
import { TrackerStatus } from '../../domain/status.ts'
import type { Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatPin, formatStatus } from './format.ts'
import { ipfsPath } from './ipfs-path.ts'
import { print, reportingApiErrors, respond } from './respond.ts'
import { waitForPin } from './wait-for-pin.ts'

/** The peers need a moment until a status means something; the reference gives them this long. */
const statusDelayMs = 1000

/** Sends a request that changes a pin, waits if asked to, and prints its status or the pin itself (spec/cli.md 2.6). */
export async function showPinResult (call: Call<Connection>, request: (path: string) => SingleRequest<Pin>, argument: string, target: TrackerStatus): Promise<number> {
  const { flags } = call
  return await reportingApiErrors(call, async () => {
    const path = ipfsPath(argument)
    const client = await call.context.client()
    const received = await client.receive(request(path))
    const pin = received.value
    if (flags.boolean('wait')) {
      const wanted = target === TrackerStatus.pinned ? pin.replicationFactorMin : 0
      await waitForPin(call, pin.cid, target, flags.isSet('wait-limit') ? flags.integer('wait-limit') : wanted)
    }
    if (flags.boolean('no-status')) {
      await print(call, [received], formatPin)
      return 0
    }
    if (!flags.boolean('wait')) await sleep(statusDelayMs)
    return await respond(call, requests.status(pin.cid, false), formatStatus)
  })
}
