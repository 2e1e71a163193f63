import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system in memory that is soon full. */
export class SmallDisk {
  readonly root: string

  private constructor (root: string) { this.root = root }

  /** Mounts one in the folder `name` of a new temporary folder; undefined where that is not allowed. */
  static async mount (name: string, sizeMiB: number): Promise<SmallDisk | undefined> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
    const folder = await mkdtemp(join(tmpdir(), 'small-disk-'))
    const root = join(folder, name)
    mkdirSync(root)
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=0700`, 'tmpfs', root], { stdio: 'ignore' })
    if (status === 0) return new SmallDisk(root)
    await rm(folder, { recursive: true, force: true })
    return undefined
  }

  get freeBytes (): number {
    const { bavail, bsize } = statfsSync(this.root)
    return bavail * bsize
  }

  /** Leaves so much room, or less when others write meanwhile. */
  fill (leaveBytes: number): void {
    this.clear()
    try {
      writeFileSync(this.#filler, Buffer.alloc(Math.max(0, this.freeBytes - leaveBytes)))
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOSPC') throw error
    }
  }

  /** Takes away what {@link fill} put there. */
  clear (): void { rmSync(this.#filler, { force: true }) }

  async unmount (): Promise<void> {
    // Also when something in it is still open.
    spawnSync('umount', ['-l', this.root], { stdio: 'ignore' })
    await rm(join(this.root, '..'), { recursive: true, force: true })
  }

  get #filler (): string { return join(this.root, 'filler') }
}
