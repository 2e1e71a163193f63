import { consensusOf, datastoreOf, type Configuration } from '../../config/configuration.ts'
import { loadConfiguration } from '../../config/file.ts'
import { loadIdentity, type Identity } from '../../config/identity.ts'
import { CommandError } from '../command-line/command.ts'
import { doingWithConfiguration, type CommandLog, type ServiceCall } from './context.ts'

export interface LoadedPeer {
  readonly configuration: Configuration
  readonly identity: Identity
}

/** Reads what the folder says about the peer. Warnings go to the log. */
export async function loadPeer (call: ServiceCall, log: CommandLog): Promise<LoadedPeer> {
  const { folder } = call.context
  const { environment, stderr } = call.terminal
  const messages: Array<() => Promise<void>> = []
  try {
    return await doingWithConfiguration('loading configurations', log, async () => {
      const configuration = await loadConfiguration(folder, {
        environment,
        warn: message => { messages.push(() => log.warn('config', message)) },
        inform: message => { messages.push(() => log.info('config', message)) },
      })
      const identity = loadIdentity(folder, { environment, notify: message => { messages.push(() => stderr.write(message)) } })
      return { configuration, identity }
    })
  } finally {
    for (const write of messages) await write()
  }
}

/**
 * Makes sure that the configuration says where the pinset is.
 * @param doing what the error says was done, when it does not
 */
export function requireState (configuration: Configuration, doing: string): void {
  const consensus = consensusOf(configuration)
  if (consensus === undefined) throw new CommandError('creating state manager', 'could not determine the consensus component')
  if (consensus === 'crdt' && datastoreOf(configuration) === undefined) throw new CommandError(doing, 'unknown datastore')
}
