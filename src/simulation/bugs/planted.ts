import type { PlantedBug } from './bugs.ts'
import { holes } from './holes.ts'
import { lostChanges } from './lost-changes.ts'
import { membership } from './membership.ts'
import { repairing } from './repairing.ts'
import { shardingBugs } from './sharding.ts'
import { tracking } from './tracking.ts'

/** All failures that can be planted. */
export const plantedBugs: readonly PlantedBug[] = [...lostChanges, ...holes, ...tracking, ...repairing, ...membership, ...shardingBugs]
