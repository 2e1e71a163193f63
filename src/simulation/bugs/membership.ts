import type { PeerId } from '../../domain/peer.ts'
import { plantedBug, type PlantedBug } from './bugs.ts'

/** Who is heard by then counts, in milliseconds from the start of a process. */
const startMs = 60_000

/** Failures in taking in who comes and letting go who is gone. */
export const membership: readonly PlantedBug[] = [
  plantedBug('members of the start', 'a new peer held nothing until all others were started again (peersets that were read once)', {
    peer ({ monitor, platform: { clock } }) {
      const began = clock.monotonic()
      const known = new Set<PeerId>()
      const latest = monitor.latest.bind(monitor)
      monitor.latest = name => latest(name).filter(({ peer }) => {
        if (clock.monotonic() - began < startMs) known.add(peer)
        return name !== 'freespace' || known.has(peer)
      })
    },
  }),
  plantedBug('members for ever', 'who was gone for good stayed in lists of peers', {
    peer ({ consensus }) {
      const known = new Set<PeerId>()
      const peers = consensus.peers.bind(consensus)
      consensus.peers = async () => {
        for (const peer of await peers()) known.add(peer)
        return [...known]
      }
    },
  }),
]
