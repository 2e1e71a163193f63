import type { Call, Command, Program } from '../command-line/command.ts'
import type { Connection } from './connection.ts'

/** Every command with the way to it, also hidden ones, one per line. */
export async function listCommands (call: Call<Connection>, program: Program<Connection>): Promise<void> {
  const paths = [...pathsOf(program.commands, program.name), `${program.name} help`]
  await call.terminal.stdout.write(paths.map(path => `${path}\n`).join(''))
}

function pathsOf (commands: ReadonlyArray<Command<Connection>>, parent: string): string[] {
  return commands.flatMap(command => {
    const path = `${parent} ${command.name}`
    return [path, ...pathsOf(command.commands ?? [], path)]
  })
}
