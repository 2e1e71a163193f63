import type { Flag } from '../command-line/command.ts'

/* Flags that several commands have in the same words. */

/** On one peer instead of on all. */
export const localFlag: Flag = { kind: 'boolean', names: ['local'], usage: 'run operation only on the contacted peer' }

export const waitUsage = 'Wait for the pin to reach the minimum replication factor before returning'
/** The usage is the reference's; what it takes is a duration (spec/cli.md 2.6). */
export const waitTimeoutFlag: Flag = { kind: 'duration', names: ['wait-timeout', 'wt'], usage: 'How long to --wait (in seconds). Default: forever' }
export const allocationsFlag: Flag = { kind: 'text', names: ['allocations', 'allocs'], usage: 'Optional comma-separated list of peer IDs' }
export const metadataFlag: Flag = { kind: 'texts', names: ['metadata'], usage: 'Pin metadata: key=value. Can be added multiple times' }
