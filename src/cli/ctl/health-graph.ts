import { writeFile } from 'node:fs/promises'
import { CommandError, type Call } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { graphText } from './graph-text.ts'
import { reportingApiErrors } from './respond.ts'
import { systemReason } from './system-error.ts'

/** The connections of the cluster as a DOT file, whatever the encoding. */
export async function showGraph (call: Call<Connection>): Promise<number> {
  return await reportingApiErrors(call, async () => {
    const graph = await (await call.context.client()).connectGraph()
    const text = graphText(graph, { allIpfsPeers: call.flags.boolean('all-ipfs-peers') })
    const file = call.flags.text('file')
    if (file === '') {
      await call.terminal.stdout.write(text)
      return
    }
    try {
      await writeFile(file, text)
    } catch (error) {
      throw new CommandError('creating output file', `open ${file}: ${systemReason(error)}`)
    }
  })
}
