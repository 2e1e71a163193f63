import { open } from 'node:fs/promises'
import { exportedPin, readExport } from '../../codec/state-export.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { parsePeerId } from '../../domain/peer-id.ts'
import type { Pin } from '../../domain/pin.ts'
import { fileErrorText } from '../../platform/files.ts'
import type { StateAccess } from '../../state/state-access.ts'
import { askYesNo } from '../command-line/prompt.ts'
import { CommandLog, doing, withFolderLock, type ServiceCall } from './context.ts'
import { loadPeer, requireState, type LoadedPeer } from './loaded-peer.ts'
import { openOutput } from './output.ts'

/** Opens the pinset of a peer that does not run. */
export type OpenState = (peer: LoadedPeer, log: CommandLog) => Promise<StateAccess>

/** `state export`: writes the pinset, one pin a line (spec/cli.md 1.5). */
export async function exportState (call: ServiceCall, openState: OpenState): Promise<void> {
  await withFolderLock(call.context.folder, async () => {
    const log = new CommandLog(call)
    const peer = await loadPeer(call, log)
    requireState(peer.configuration, 'exporting state')
    await doing('exporting state', async () => {
      await using state = closing(await openState(peer, log))
      // Only now: a file of an earlier export is not emptied when there is nothing to write.
      const target = await openOutput(call)
      for await (const pins of state.pins()) await target.write(pins.map(exportedPin).join(''))
      await target.close()
    })
    await log.info('service', 'state successfully exported')
  })
}

/** `state import`: replaces the pinset by what a file or stdin holds; nothing changes unless all of it can be read. */
export async function importState (call: ServiceCall, openState: OpenState): Promise<void> {
  await withFolderLock(call.context.folder, async () => {
    if (!call.flags.boolean('force') && !await askYesNo(call.terminal, 'The pinset (state) of this peer will be replaced. Continue? [y/n]:')) return
    const log = new CommandLog(call)
    const peer = await loadPeer(call, log)
    requireState(peer.configuration, 'importing state')
    const input = await openInput(call)
    await doing('importing state', async () => {
      const changes = await readChanges(call, log)
      await using state = closing(await openState(peer, log))
      await state.replace(changed(readExport(input), changes))
    })
    await log.info('service', 'state successfully imported.  Make sure all peers have consistent states')
  })
}

/** `state cleanup`: removes the pinset and what the consensus keeps. */
export async function cleanupState (call: ServiceCall, openState: OpenState): Promise<void> {
  await withFolderLock(call.context.folder, async () => {
    if (!call.flags.boolean('force') && !await askYesNo(call.terminal, 'The peer state will be removed.  Existing pins may be lost. Continue? [y/n]:')) return
    const log = new CommandLog(call)
    const peer = await loadPeer(call, log)
    requireState(peer.configuration, 'cleaning state')
    await doing('cleaning state', async () => {
      await using state = closing(await openState(peer, log))
      await state.clear()
    })
    await log.info('service', 'data correctly cleaned up')
  })
}

function closing (state: StateAccess): StateAccess & AsyncDisposable {
  return Object.assign(state, { [Symbol.asyncDispose]: () => state.close() })
}

/** The file that was named, or stdin. */
async function openInput (call: ServiceCall): Promise<AsyncIterable<Uint8Array>> {
  const name = call.arguments[0]
  if (name === undefined) {
    await call.terminal.stdout.write('reading from stdin, Ctrl-D to finish\n')
    return call.terminal.stdin.chunks()
  }
  const file = await doing('reading import file', async () => {
    try {
      return await open(name)
    } catch (error) {
      throw new ClusterError('INVALID_INPUT', fileErrorText('open', name, error), { cause: error })
    }
  })
  return file.createReadStream()
}

/** What the flags change in every pin. */
interface Changes {
  readonly replicationFactorMin?: number
  readonly replicationFactorMax?: number
  readonly allocations?: readonly PeerId[]
}

async function readChanges (call: ServiceCall, log: CommandLog): Promise<Changes> {
  const min = call.flags.integer('replication-min')
  const max = call.flags.integer('replication-max')
  const allocations: PeerId[] = []
  for (const text of call.flags.text('allocations').split(',')) {
    try {
      if (text !== '') allocations.push(parsePeerId(text))
    } catch (error) {
      await log.warn('service', `allocation ${text} is left out: ${errorText(error)}`)
    }
  }
  return {
    ...(min > 0 && { replicationFactorMin: min }),
    ...(max > 0 && { replicationFactorMax: max }),
    ...(allocations.length > 0 && { allocations }),
  }
}

async function * changed (steps: AsyncIterable<Pin[]>, changes: Changes): AsyncGenerator<Pin[]> {
  for await (const pins of steps) yield pins.map(pin => ({ ...pin, ...changes }))
}
