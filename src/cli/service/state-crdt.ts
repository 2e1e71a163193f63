import type { CrdtAccess } from '../../cluster/crdt-access.ts'
import { consensusOf, type Configuration } from '../../config/configuration.ts'
import { CommandError } from '../command-line/command.ts'
import { CommandLog, doing, withFolderLock, type ServiceCall } from './context.ts'
import { loadPeer, requireState } from './loaded-peer.ts'
import { openOutput } from './output.ts'

/** Opens the replicated set of a peer that does not run. */
export type OpenCrdt = (configuration: Configuration) => Promise<CrdtAccess>

/** Comes before every `state crdt` command, also before its help (spec/cli.md 1.5). */
export async function requireCrdt (call: ServiceCall): Promise<void> {
  const { configuration } = await loadPeer(call, new CommandLog(call))
  if (consensusOf(configuration) !== 'crdt') throw new CommandError('', 'crdt subcommands can only be run on peers initialized with crdt consensus')
}

/** `state crdt info`: heads, height and dirty mark. */
export async function crdtInfo (call: ServiceCall, openCrdt: OpenCrdt): Promise<void> {
  await withCrdt(call, openCrdt, async crdt => {
    const { heads, maxHeight, isDirty } = await doing('reading the datastore', () => crdt.state())
    await call.terminal.stdout.write(`Number of heads: ${heads.length}. Current max-height: ${maxHeight}. Dirty: ${isDirty}\nHeads: [${heads.join(' ')}]`)
  })
}

/** `state crdt dot`: the DAG as a graph for Graphviz. */
export async function crdtDot (call: ServiceCall, openCrdt: OpenCrdt): Promise<void> {
  await withCrdt(call, openCrdt, async (crdt, log) => {
    const target = await openOutput(call)
    await log.info('service', 'initiating CRDT-DAG DOT file export. Export might take a long time on large graphs')
    await doing('generating graph', async () => {
      for await (const line of crdt.dot()) await target.write(`${line}\n`)
      await target.close()
    })
  })
}

/** `state crdt mark-dirty` and `mark-clean`. */
export async function crdtMark (call: ServiceCall, openCrdt: OpenCrdt, isDirty: boolean): Promise<void> {
  const word = isDirty ? 'dirty' : 'clean'
  await withCrdt(call, openCrdt, async (crdt, log) => {
    await doing(`marking the datastore as ${word}`, () => crdt.mark(isDirty))
    await log.info('crdt', `marking datastore as ${word}`)
    await call.terminal.stdout.write(`Datastore marked '${word}'\n`)
  })
}

async function withCrdt (call: ServiceCall, openCrdt: OpenCrdt, work: (crdt: CrdtAccess, log: CommandLog) => Promise<void>): Promise<void> {
  await withFolderLock(call.context.folder, async () => {
    const log = new CommandLog(call)
    const { configuration } = await loadPeer(call, log)
    requireState(configuration, 'opening datastore')
    const crdt = await doing('opening datastore', () => openCrdt(configuration))
    try {
      await work(crdt, log)
    } finally {
      await crdt.close()
    }
  })
}
