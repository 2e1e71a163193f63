import { headNames, journalled, unhandledChanges } from '../disk-contents.ts'
import type { Check } from './check.ts'

/** Entries of the change log that may wait for the next write of its reader's cursor. */
const mostChanges = 4

/** Nothing is left over when there is nothing to do. */
export const bounded: Check = {
  promise: 'queues are empty when there is nothing to do',
  atRest ({ world }) {
    const broken: string[] = []
    for (const { name, disk, process, serving } of world.serving()) {
      const waiting = serving?.tracker.queueSize() ?? 0
      if (waiting > 0) broken.push(`${name} has ${waiting} pins in its queue`)
      const failed = process?.figures.value('ipfscluster_pins_pin_error') ?? 0
      if (failed > 0) broken.push(`${name} has ${failed} failed pins`)
      if (journalled(disk) > 0) broken.push(`${name} has ${journalled(disk)} entries in its journal`)
      if (unhandledChanges(disk) > mostChanges) broken.push(`${name} has ${unhandledChanges(disk)} entries in its change log`)
      if (headNames(disk).length > world.peers.length) broken.push(`${name} has ${headNames(disk).length} heads`)
    }
    return broken
  },
}
