import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { ClusterError } from '../../domain/errors.ts'
import { fileErrorText } from '../../platform/files.ts'
import { doing, type ServiceCall } from './context.ts'

export interface Output {
  write (text: string): Promise<void>
  /** Resolves when all is on disk. */
  close (): Promise<void>
}

/** The file that the flag `--file` names, emptied, or stdout. */
export async function openOutput (call: ServiceCall): Promise<Output> {
  const path = call.flags.text('file')
  if (path === '') return { write: text => call.terminal.stdout.write(text), close: async () => {} }
  const stream: Writable = createWriteStream(path)
  await doing('creating output file', async () => {
    try {
      await once(stream, 'open')
    } catch (error) {
      throw new ClusterError('STORE_FAILED', fileErrorText('open', path, error), { cause: error })
    }
  })
  let failure: unknown
  stream.on('error', error => { failure = error })
  const check = (): void => {
    if (failure !== undefined) throw new ClusterError('STORE_FAILED', fileErrorText('write', path, failure), { cause: failure })
  }
  return {
    async write (text) {
      check()
      if (!stream.write(text)) await once(stream, 'drain').catch(() => {})
      check()
    },
    async close () {
      stream.end()
      await once(stream, 'close').catch(() => {})
      check()
    },
  }
}
