import { ApiError } from '../../client/api-error.ts'
import type { Received } from '../../client/item-stream.ts'
import type { SingleRequest, StreamRequest } from '../../client/requests.ts'
import { ErrorMessage } from '../../codec/messages.ts'
import type { Call } from '../command-line/command.ts'
import { CommandError } from '../command-line/command.ts'
import type { Connection } from './connection.ts'
import { formatApiError } from './format.ts'
import { indentJson } from './indent-json.ts'

/** The exit code when the API was not reached, and when it refused the request (spec/cli.md 2.2). */
const unreachableExit = 1
const refusedExit = 2

/** Sends a request and prints its one answer, or the error. Gives the exit code. */
export async function respond<T> (call: Call<Connection>, request: SingleRequest<T>, format: (value: T) => string): Promise<number> {
  return await reportingApiErrors(call, async () => {
    const client = await call.context.client()
    await print(call, [await client.receive(request)], format)
  })
}

/** Sends a request and prints its answers as they come. */
export async function respondStream<T> (call: Call<Connection>, request: StreamRequest<T>, format: (value: T) => string): Promise<number> {
  return await reportingApiErrors(call, async () => {
    const client = await call.context.client()
    for await (const batch of client.stream(request).batches()) await print(call, batch, format)
  })
}

/** Prints values in the encoding that was asked for; JSON objects stand one behind the other, not in a list. */
export async function print<T> (call: Call<Connection>, received: ReadonlyArray<Received<T>>, format: (value: T) => string): Promise<void> {
  const text = call.context.encoding === 'json'
    ? received.map(({ json }) => `${indentJson(json)}\n`)
    : received.map(({ value }) => format(value))
  await call.terminal.stdout.write(text.join(''))
}

/** Runs `step` and prints the error of the API that it ends with on stdout. Other errors pass. */
export async function reportingApiErrors (call: Call<Connection>, step: () => Promise<number | void>): Promise<number> {
  try {
    return await step() ?? 0
  } catch (error) {
    if (!(error instanceof ApiError)) throw error instanceof CommandError ? error : new CommandError('', error)
    const { status, message } = error
    await call.terminal.stdout.write(call.context.encoding === 'json'
      ? `${indentJson(ErrorMessage.encodeJson({ code: status, message }))}\n`
      : formatApiError({ status, message }))
    return status === 0 ? unreachableExit : refusedExit
  }
}
