import { plantedBug, type PlantedBug } from './bugs.ts'

/** Failures between the pinset and the IPFS node. */
export const tracking: readonly PlantedBug[] = [
  plantedBug('no second try', 'pins that the IPFS node had lost were never asked for again (#979)', {
    peer ({ tracker }) {
      tracker.recoverAll = async function * () {}
      tracker.recover = (cid, options) => tracker.status(cid, options)
    },
  }),
  plantedBug('handled when read', 'a crash between "in the store" and "queued" lost the change: unpinned content stayed (#424)', {
    peer ({ consensus }) {
      const changes = consensus.changes()
      const read = changes.read.bind(changes)
      changes.read = async function * (options) {
        for await (const batch of read(options)) {
          changes.acknowledge(batch.at(-1)?.sequence ?? 0)
          yield batch
        }
      }
    },
  }),
  plantedBug('lock kept', 'a cancelled operation kept its lock: nothing of the tracker moved any more (#1768)', {
    ipfs: ipfs => {
      const held = <T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> => work.catch((error: unknown) => {
        if (signal?.aborted === true) return new Promise<never>(() => {})
        throw error
      })
      return { ...ipfs, pin: (pin, options) => held(ipfs.pin(pin, options), options?.signal), pinMany: (pins, options) => held(ipfs.pinMany(pins, options), options?.signal) }
    },
  }),
  plantedBug('blocks that nobody took', 'an add went on when putting its blocks had failed (#1131, #1646)', {
    ipfs: ipfs => ({
      ...ipfs,
      async putBlocks (blocks, options) {
        await ipfs.putBlocks(blocks, options).catch(() => {})
        for await (const block of blocks) block.release?.()
      },
    }),
  }),
  plantedBug('status without looking', 'items that the node does not hold were shown as pinned (#1319)', {
    ipfs: ipfs => ({ ...ipfs, pinStatus: async () => 'recursive' }),
  }),
]
