import { livingElements } from '../disk-contents.ts'
import type { Check } from './check.ts'

/** A crash, a failing disk or a retry makes no change a second time: it would undo what was changed since. */
export const once: Check = {
  promise: 'a change is made once',
  atRest ({ world }) {
    const broken: string[] = []
    const { history } = world
    const [peer] = world.servingMembers()
    if (peer === undefined) return []
    for (const cid of history.cids()) {
      const changes = history.of(cid)
      // Of what was there before it is not known how often it was pinned.
      if (changes.some(change => change.peer === '')) continue
      const pins = changes.filter(change => change.value !== undefined).length
      const elements = livingElements(peer.disk, cid)
      if (elements > pins) broken.push(`${cid} stands in ${elements} deltas, it was pinned or moved ${pins} times`)
    }
    return broken
  },
}
