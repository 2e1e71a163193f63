import { inputFrom, type Output, type Terminal } from '../command-line/terminal.ts'
import { runProgram } from '../command-line/run.ts'
import type { PeerParts } from './peer-parts.ts'
import { serviceProgram } from './program.ts'

export interface Outcome { readonly exit: number, readonly stdout: string, readonly stderr: string }

/** Runs `ipfs-cluster-service` in this process, with `parts` as the peer behind it. */
export async function runService (args: readonly string[], options: { parts?: Partial<PeerParts>, stdin?: string, environment?: Record<string, string> }): Promise<Outcome> {
  const written = { stdout: '', stderr: '' }
  const output = (name: keyof typeof written): Output => ({ isTerminal: false, columns: undefined, write: async text => { written[name] += text } })
  const terminal: Terminal = {
    stdout: output('stdout'),
    stderr: output('stderr'),
    stdin: inputFrom((async function * () { yield Buffer.from(options.stdin ?? '') })()),
    environment: options.environment ?? {},
  }
  const unexpected = (): never => { throw new Error('this part was not expected to be used') }
  const exit = await runProgram(serviceProgram({ runDaemon: unexpected, openState: unexpected, openCrdt: unexpected, ...options.parts }), ['--loglevel', 'fatal', ...args], terminal)
  return { exit, ...written }
}
