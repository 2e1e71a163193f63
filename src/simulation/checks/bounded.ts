import { headNames, journalled, unhandledChanges } from '../disk-contents.ts'
import type { Check } from './check.ts'

/** Entries of the change log that may wait for the next write of its reader's cursor. */
const mostChanges = 4

/** Timers of a process, of its own and for each peer: half as many again as any had at rest. */
const mostTimers = 50
const mostTimersEach = 2

/** Nothing is left over when there is nothing to do. */
export const bounded: Check = {
  promise: 'queues are empty when there is nothing to do',
  atRest ({ world }) {
    const broken: string[] = []
    for (const { name, self, disk, process, serving } of world.serving()) {
      const waiting = serving?.tracker.queueSize() ?? 0
      if (waiting > 0) broken.push(`${name} has ${waiting} pins in its queue`)
      const failed = process?.figures.value('ipfscluster_pins_pin_error') ?? 0
      if (failed > 0) broken.push(`${name} has ${failed} failed pins`)
      if (journalled(disk) > 0) broken.push(`${name} has ${journalled(disk)} entries in its journal`)
      if (unhandledChanges(disk) > mostChanges) broken.push(`${name} has ${unhandledChanges(disk)} entries in its change log`)
      const timers = process?.clock.timers ?? 0
      if (timers > mostTimers + mostTimersEach * world.peers.length) broken.push(`${name} has ${timers} timers`)
      const wants = world.networks.wantedBlocks(self)
      // What was lost with the disk of its author is looked for now and then.
      const health = serving?.consensus.inspect()
      const missing = (health?.unmerged.missing ?? 0) + (health?.holes ?? 0)
      // Whoever trusts everybody looks for what a stranger says that there is.
      if (wants > missing && (world.stranger === undefined || !world.settings.trustsAll)) broken.push(`${name} waits for ${wants} blocks`)
      if (headNames(disk).length > [...world.everyPeer].length) broken.push(`${name} has ${headNames(disk).length} heads`)
    }
    return broken
  },
}
