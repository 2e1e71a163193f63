import { requests } from '../../client/requests.ts'
import { defaultPinOptions, type PinOptions } from '../../domain/pin.ts'
import { TrackerStatus } from '../../domain/status.ts'
import { CommandError, type Call } from '../command-line/command.ts'
import { expiryArgument, metadataArgument, peerIds } from './arguments.ts'
import type { Connection } from './connection.ts'
import { showPinResult } from './pin-result.ts'

export async function addPin (call: Call<Connection>): Promise<number> {
  const options = pinOptions(call)
  const expireAt = expiryArgument(call.flags.text('expire-in'))
  return await showPinResult(call, path => requests.pin(path, { ...options, expireAt: expireAt() }), call.arguments[0] ?? '', TrackerStatus.pinned)
}

function pinOptions ({ flags }: Call<Connection>): PinOptions {
  const replication = flags.integer('replication')
  const allocations = flags.text('allocations') === '' ? [] : flags.text('allocations').split(',').map(text => text.trim())
  const userAllocations = peerIds(allocations)
  if (userAllocations.length !== allocations.length) throw new CommandError('decoding allocations', 'some peer IDs could not be decoded')
  return {
    ...defaultPinOptions,
    replicationFactorMin: replication || flags.integer('replication-min'),
    replicationFactorMax: replication || flags.integer('replication-max'),
    userAllocations,
    name: flags.text('name'),
    mode: flags.text('mode') === 'direct' ? 'direct' : 'recursive',
    metadata: metadataArgument(flags.texts('metadata')),
  }
}
