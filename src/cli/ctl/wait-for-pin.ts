import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError } from '../../client/api-error.ts'
import { waitForStatus } from '../../client/wait-for-status.ts'
import type { Cid } from '../../domain/cid.ts'
import { errorText, errorTable } from '../../domain/errors.ts'
import type { TrackerStatus } from '../../domain/status.ts'
import { timerMs } from '../../domain/time.ts'
import { CommandError, type Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatStatus } from './format.ts'
import { LiveText } from './live-text.ts'

/** Between two questions for the status. */
const pollMs = 1000

/**
 * Waits until `limit` peers (0 or less: all) have reached the target. In a terminal a table shows
 * how far they are. A `--wait-timeout` that would end before the second question is no limit.
 * @throws CommandError exit 62 when the time is up
 */
export async function waitForPin (call: Call<Connection>, cid: Cid, target: TrackerStatus, limit: number): Promise<void> {
  const client = await call.context.client()
  const table = new LiveText(call.terminal.stderr)
  const timeoutMs = call.flags.duration('wait-timeout')
  const signal = timeoutMs > pollMs ? AbortSignal.timeout(timerMs(timeoutMs)) : undefined
  const pause = (signal: AbortSignal | undefined): Promise<void> => sleep(pollMs, undefined, signal === undefined ? {} : { signal })
  try {
    await waitForStatus(client, { cid, target, limit, signal, pause, onStatus: status => { table.show(formatStatus(status)) } })
  } catch (error) {
    if (signal?.aborted === true) throw new CommandError('waiting for pin status', 'context deadline exceeded', errorTable.TIMED_OUT.exit)
    throw new CommandError('waiting for pin status', error instanceof ApiError ? `${error.message} (${error.status})` : errorText(error))
  } finally {
    table.clear()
  }
}
