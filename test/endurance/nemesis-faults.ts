import type { Machine, Member } from '../interoperability/member.ts'
import type { MachineNetwork } from './machine-network.ts'
import type { Seeded } from './seeded.ts'

/** A cable that lets so little through that gossip fills it. */
const slowBitsPerSecond = 200_000

/** What a fault may touch. */
export interface Victims {
  readonly network: MachineNetwork
  readonly members: readonly Member[]
  readonly random: Seeded
}

/** Strikes at once; what it answers takes it back. */
export type Fault = (victim: Member, victims: Victims) => () => void | Promise<void>

/** What happens to peers, their machines and their IPFS nodes. */
export const faults: Readonly<Record<string, Fault>> = {
  'is cut off': (victim, { network }) => {
    network.connect(machinesOf([victim]), 1)
    return () => { network.connect(machinesOf([victim]), 0) }
  },
  'is cut off with half of the others': (victim, { network, members, random }) => {
    const half = machinesOf(members.filter(member => member === victim || random.once(2)))
    network.connect(half, 1)
    return () => { network.connect(half, 0) }
  },
  'has a slow cable': ({ machine }, { network }) => {
    if (machine === undefined) return () => {}
    network.limit(machine, slowBitsPerSecond)
    return () => { network.limit(machine, undefined) }
  },
  hangs: victim => {
    victim.signal('SIGSTOP')
    return () => { victim.signal('SIGCONT') }
  },
  'has an IPFS node that hangs': victim => {
    victim.signal('SIGSTOP', 'node')
    return () => { victim.signal('SIGCONT', 'node') }
  },
  'is killed': victim => restarted(victim, 'SIGKILL'),
  'is stopped': victim => restarted(victim, 'SIGTERM'),
}

function restarted (victim: Member, signal: 'SIGKILL' | 'SIGTERM'): () => Promise<void> {
  const ended = victim.end(signal)
  return async () => {
    await ended
    await victim.start()
  }
}

function machinesOf (members: readonly Member[]): Machine[] { return members.flatMap(({ machine }) => machine ?? []) }
