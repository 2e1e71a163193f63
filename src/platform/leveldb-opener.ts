import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The line that the Go program's LevelDB writes into `LOG` at each opening, and each day. */
const goHeader = /^=+ [A-Z][a-z]{2} \d{1,2}, \d{4} \(UTC\) =+$/m
/** It begins another file when there is a MiB of it. */
const mostBytes = 2 * 1024 * 1024

/**
 * Whether the Go program was the last to open a LevelDB folder. It writes behind what stands in
 * `LOG`; an opening by this program begins a new one. To be asked before that.
 */
export function wasOpenedByGo (folder: string): boolean {
  const path = join(folder, 'LOG')
  const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  return sizeBytes > 0 && sizeBytes <= mostBytes && goHeader.test(readFileSync(path, 'latin1'))
}
