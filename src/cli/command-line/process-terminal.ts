import type { Program } from './command.ts'
import { runProgram } from './run.ts'
import { inputFrom, type Output, type Terminal } from './terminal.ts'

/** The exit code of a process that wrote into a pipe whose reader is gone, as a shell reports it. */
const brokenPipeExit = 141
/** The exit code when what was asked for could not be written. */
const unwrittenExit = 1

/** Runs `program` with this process's arguments and streams, and ends the process with its exit code. */
export async function runProcess<C> (program: Program<C>): Promise<never> {
  const exitCode = await runProgram(program, process.argv.slice(2), processTerminal())
  await Promise.all([flush(process.stdout), flush(process.stderr)])
  process.exit(exitCode)
}

export function processTerminal (): Terminal {
  return {
    stdout: output(process.stdout, error => {
      process.stderr.write(`error writing to stdout: ${error.message}\n`)
      process.exit(unwrittenExit)
    }),
    // Where errors are told nothing can be told of that; a daemon goes on without.
    stderr: output(process.stderr, () => {}),
    // Touching process.stdin opens it, which keeps a process alive: only a command that reads does so.
    stdin: inputFrom({ [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() }),
    environment: process.env,
  }
}

function output (stream: NodeJS.WriteStream, onFailed: (error: Error) => void): Output {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(brokenPipeExit)
    onFailed(error)
  })
  return {
    isTerminal: stream.isTTY === true,
    // Asked each time because windows change; some terminals say 0.
    get columns () { return stream.isTTY === true ? stream.columns || undefined : undefined },
    // What fails is no longer waited for either: nothing drains then.
    write: text => new Promise(resolve => { if (stream.write(text, () => { resolve() })) resolve() }),
  }
}

function flush (stream: NodeJS.WriteStream): Promise<void> {
  return new Promise(resolve => { stream.write('', () => { resolve() }) })
}
