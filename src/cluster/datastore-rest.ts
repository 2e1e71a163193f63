import { errorText } from '../domain/errors.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform, Startable } from '../platform/lifecycle.ts'
import type { Store } from '../platform/store.ts'

/** How often it is looked whether nobody writes, in milliseconds. */
const lookMs = 5_000

/** Lets the datastore do what it does when nobody writes. */
export function datastoreRest (store: Pick<Store, 'rest'>, { clock, loggers }: Platform): Startable {
  const stopping = new AbortController()
  const { signal } = stopping
  let running: Promise<void> | undefined
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await sleep(clock, lookMs, signal).catch(() => {})
      if (signal.aborted) return
      await store.rest?.().catch((error: unknown) => { loggers.component('cluster').debug(`the datastore did not rest: ${errorText(error)}`) })
    }
  }
  return {
    async start () { running = run() },
    async stop () {
      stopping.abort()
      await running
    },
  }
}
