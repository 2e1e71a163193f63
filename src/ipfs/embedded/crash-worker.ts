import { hash } from 'node:crypto'
import { writeSync } from 'node:fs'
import type { Block } from '../connector.ts'
import { embeddedConnector } from './embedded-connector.ts'
import { folderBlock, nodeOptions, pinOf, platform, rawBlock, streamOf, textOf } from './node-for-tests.ts'

/* The program that the crash test kills: it adds, pins, unpins and collects without end, and prints each thing when it is done. */

/** The blocks of the folder with this name, the root last: sizes from a few bytes to half a megabyte. */
export function contentOf (name: string): Block[] {
  const files = Array.from({ length: 6 }, (_, i) => rawBlock(Buffer.alloc(16 * 8 ** i, hash('sha256', `${name} ${i}`, 'buffer'))))
  return [...files, folderBlock(Object.fromEntries(files.map((file, i) => [`file ${i}`, file])))]
}

if (import.meta.main) {
  const [folder = '', round = ''] = process.argv.slice(2)
  const node = embeddedConnector(nodeOptions(folder, { listenAddresses: [], putLeaseMs: 60_000, storageMaxBytes: 1e12 }), platform)
  await node.start(new AbortController().signal)
  const say = (text: string): void => { writeSync(1, `${text}\n`) }
  const work = async (worker: number): Promise<void> => {
    for (let i = 0; ; i++) {
      const name = `${round}-${worker}-${i}`
      const blocks = contentOf(name)
      const root = textOf((blocks.at(-1) as Block).cid)
      await node.putBlocks(streamOf(blocks))
      await node.pin(pinOf(root))
      say(`put ${name}`)
      say(`pin ${root}`)
      if (i % 3 === 1) {
        const gone = contentOf(`${name} gone`)
        await node.putBlocks(streamOf(gone))
        const goneRoot = textOf((gone.at(-1) as Block).cid)
        await node.pin(pinOf(goneRoot))
        await node.unpin(goneRoot)
        say(`unpin ${goneRoot}`)
      }
    }
  }
  const collect = async (): Promise<void> => {
    for (;;) for await (const { error } of node.garbageCollect()) if (error !== '') throw new Error(error)
  }
  await Promise.all([collect(), ...[0, 1, 2, 3].map(work)])
}
