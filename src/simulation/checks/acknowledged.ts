import { pinOf } from '../disk-contents.ts'
import type { Check } from './check.ts'

/** What was acknowledged is what the pinset holds, where concurrent changes leave a choice one of them. */
export const acknowledged: Check = {
  promise: 'no acknowledged pin or unpin is lost or undone',
  atRest ({ world, values }) {
    const broken: string[] = []
    const { history } = world
    for (const cid of new Set([...history.cids(), ...values.keys()])) {
      const allowed = history.allowed(cid)
      const value = values.get(cid)
      if (value === undefined ? allowed.mayBeAbsent : allowed.values.has(value)) continue
      const told = history.of(cid).map(change => `${world.nameOf(change.peer)} ${change.pin === undefined ? change.value === undefined ? 'unpin' : 'before' : `${change.isMove ? 'move' : 'pin'} "${change.pin.name}"`}${change.isAcknowledged ? '' : ' (not acknowledged)'}${change.isUpkeep ? ' (upkeep)' : ''}`)
      broken.push(`${cid} is ${value === undefined ? 'not pinned' : `pinned as "${pinOf(value).name}"`} after: ${told.join(', ')}`)
    }
    return broken
  },
}
