import type { Clock } from '../../platform/clock.ts'
import type { BlockExchange } from './block-exchange.ts'
import { codecs, multihashOfKey } from './cid-parts.ts'
import type { IpfsHost } from './ipfs-host.ts'

/** How long other nodes are asked for a block that was lost. */
const repairMs = 60_000
/** Blocks that are fetched again at a time; of a disk that loses more the pins must be made anew. */
const repairsAtOnce = 64

export interface BlockRepairs {
  /** Fetches a block again, if there is anybody to ask; nobody is told when it fails. */
  begin (key: string): void
  stop (): Promise<void>
}

/**
 * Fetches blocks again that rotted on disk. Whoever found out may not want them: another node that was told
 * that they are not here, or a collection that passes leaves over. Their pins say that they are here.
 */
export function blockRepairs (exchange: BlockExchange, host: Pick<IpfsHost, 'peers'>, clock: Clock): BlockRepairs {
  const underWay = new Map<AbortController, Promise<void>>()
  let isStopped = false
  return {
    begin (key) {
      if (isStopped || underWay.size >= repairsAtOnce || host.peers().length === 0) return
      const ended = new AbortController()
      const cancelTimer = clock.after(repairMs, () => { ended.abort() })
      // How it is read makes no difference to who has it.
      const cid = Buffer.concat([Uint8Array.of(1, codecs.raw), multihashOfKey(key)])
      const done = exchange.fetch(cid, ended.signal).then(() => {}, () => {}).finally(() => {
        cancelTimer()
        underWay.delete(ended)
      })
      underWay.set(ended, done)
    },
    async stop () {
      isStopped = true
      for (const ended of underWay.keys()) ended.abort()
      await Promise.all(underWay.values())
    },
  }
}
