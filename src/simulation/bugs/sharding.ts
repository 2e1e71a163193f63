import { plantedBug, type PlantedBug } from './bugs.ts'

/** Failures with content that is spread over shards. */
export const shardingBugs: readonly PlantedBug[] = [
  plantedBug('shards left over', 'the shards of an add that failed stayed pinned, and nothing could remove them (the reference)', {
    peer ({ consensus }) {
      const logUnpin = consensus.logUnpin.bind(consensus)
      // Only what is taken back comes without options.
      consensus.logUnpin = async (pin, options) => { if (pin.type !== 'shard-pin' || options !== undefined) await logUnpin(pin, options) }
    },
  }),
  plantedBug('shared shards go', 'the unpin of one content took the shards that others had in common with it (the reference)', {
    peer ({ consensus }) {
      consensus.pinset().clusterDags = async function * () {}
    },
  }),
]
