import { requests } from '../../client/requests.ts'
import { pinTypes, type PinType } from '../../domain/pin.ts'
import type { Call } from '../command-line/command.ts'
import { cidArgument } from './arguments.ts'
import type { Connection } from './connection.ts'
import { formatPin } from './format.ts'
import { respond, respondStream } from './respond.ts'

export async function listPins (call: Call<Connection>): Promise<number> {
  const cid = call.arguments[0] ?? ''
  if (cid !== '') return await respond(call, requests.allocation(cidArgument(cid)), formatPin)
  return await respondStream(call, requests.allocations(typesOf(call.flags.text('filter'))), formatPin)
}

/** Words that name no type do not count; the query is empty when none does, which the API takes as all. */
function typesOf (filter: string): readonly PinType[] | 'all' {
  const words = filter.split(',')
  const types = pinTypes.filter(type => type !== 'bad-type')
  const named = types.filter(type => words.includes(type))
  return words.includes('all') || words.includes('') || named.length === types.length ? 'all' : named
}
