import type { Call, Command, CommandHelp, Flag, Program } from './command.ts'
import { CommandError, Exit } from './command.ts'
import { moveFlagsToFront, parseFlags, type FlagValues } from './parse-flags.ts'
import type { Terminal } from './terminal.ts'

/**
 * Runs a program with the words behind its name and returns its exit code. Everything that a
 * command throws ends here, as a line on stderr.
 */
export async function runProgram<C> (program: Program<C>, args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await new Run(program, terminal).program(args)
  } catch (error) {
    if (error instanceof Exit) return error.exitCode
    const failure = error instanceof CommandError ? error : new CommandError('', error)
    await terminal.stderr.write(`error ${failure.doing}: ${failure.message}\n`)
    return failure.exitCode
  }
}

const helpFlag: Flag = { kind: 'boolean', names: ['help', 'h'], usage: 'show help' }
const versionFlag: Flag = { kind: 'boolean', names: ['version', 'v'], usage: 'print the version' }
const helpNames = ['help', 'h'] as const
const helpCommand: Described = { name: 'help', usage: 'Shows a list of commands or help for one command', argumentsUsage: '[command]' }
/** An unknown command or help topic, in all programs. */
const unknownTopicExit = 3

/** The part of a command that help shows. */
type Described = Pick<Command, 'name' | 'usage' | 'argumentsUsage' | 'description' | 'flags'>

/** A place in the tree: the program or a group. */
interface Level<C> {
  readonly path: string
  /** The way to its `help` command, which the reference leaves out for that of the program. */
  readonly helpPath: string
  readonly commands: ReadonlyArray<Command<C>>
  /** What --help shows. */
  readonly help: () => string
  /** What the command `help` shows. */
  readonly overview: () => string
}

class Run<C> {
  readonly #program: Program<C>
  readonly #terminal: Terminal

  constructor (program: Program<C>, terminal: Terminal) {
    this.#program = program
    this.#terminal = terminal
  }

  async program (args: readonly string[]): Promise<number> {
    const program = this.#program
    const flags = [...program.flags, helpFlag, versionFlag]
    const help = (): string => this.#programHelp(flags)
    const root: Level<C> = { path: program.name, helpPath: '', commands: program.commands, help, overview: help }
    const { values: globals, rest, problem, twoForms } = parseFlags(flags, args, this.#terminal.environment)
    if (twoForms !== undefined) return await this.#usageError(`${twoForms}\n`, root)
    if (problem !== undefined) return await this.#usageError(`Incorrect Usage. ${problem}\n\n`, root)
    if (globals.boolean('help')) return await this.#print(root.help())
    if (globals.boolean('version')) return await this.#print(`${program.name} version ${program.version}\n`)
    const context = await program.before(this.#call(undefined, globals, globals, rest))
    return await this.#step(root, rest, args => this.#call(context, globals, globals, args), program.action)
  }

  async #group (command: Command<C>, path: string, args: readonly string[], outer: Call<C>): Promise<number> {
    const flags = [...command.flags ?? [], helpFlag]
    const commands = command.commands ?? []
    const { dialect, version } = this.#program
    const { usage, description } = command
    const level: Level<C> = {
      path,
      helpPath: `${path} help`,
      commands,
      help: () => dialect.help.group({ ...help(command, path, flags), commands: visible(commands) }),
      overview: () => dialect.help.program({ name: path, usage, version, description, commands: visible(commands), flags }),
    }
    const { values, rest, problem, twoForms } = parseFlags(flags, args, this.#terminal.environment)
    if (twoForms !== undefined) return await this.#usageError(`${twoForms}\n\n`, level)
    if (problem !== undefined) return await this.#usageError(`Incorrect Usage. ${problem}\n\n`, level)
    if (values.boolean('help')) return await this.#print(level.help())
    const call = (args: readonly string[]): Call<C> => this.#call(outer.context, outer.globals, values, args)
    await command.before?.(call(rest))
    return await this.#step(level, rest, call, command.action)
  }

  /** Goes on with the command that the first argument names. */
  async #step (level: Level<C>, args: readonly string[], call: (args: readonly string[]) => Call<C>, fallback: Command<C>['action']): Promise<number> {
    const [name, ...rest] = args
    if (helpNames.some(help => help === name)) return await this.#helpCommand(level, rest)
    const command = level.commands.find(command => command.name === name)
    if (command !== undefined) {
      const path = `${level.path} ${command.name}`
      if (command.commands !== undefined) return await this.#group(command, path, rest, call(rest))
      return await this.#command(command, path, rest, call(rest))
    }
    if (fallback !== undefined) return await fallback(call(args)) ?? 0
    return name === undefined ? await this.#print(level.help()) : await this.#topicHelp(level, name)
  }

  async #command (command: Command<C>, path: string, args: readonly string[], outer: Call<C>): Promise<number> {
    const flags = [...command.flags ?? [], helpFlag]
    const ordered = this.#program.dialect.movesTrailingFlags ? moveFlagsToFront(flags, args) : args
    const { values, rest, problem, twoForms } = parseFlags(flags, ordered, this.#terminal.environment)
    const showHelp = (): string => this.#commandHelp(command, path)
    const wrong = problem ?? twoForms
    if (wrong !== undefined) return await this.#usageError(`Incorrect Usage: ${wrong}\n\n`, { help: showHelp })
    if (values.boolean('help')) return await this.#print(showHelp())
    if (command.action === undefined) return await this.#print(showHelp())
    return await command.action(this.#call(outer.context, outer.globals, values, rest)) ?? 0
  }

  /** `help`, `help COMMAND` of the program and of each group. */
  async #helpCommand (level: Level<C>, args: readonly string[]): Promise<number> {
    const { values, rest, problem } = parseFlags([helpFlag], args, this.#terminal.environment)
    const own = (): string => this.#commandHelp(helpCommand, level.helpPath)
    if (problem !== undefined) return await this.#usageError(`Incorrect Usage: ${problem}\n\n`, { help: own })
    const [topic] = rest
    if (values.boolean('help')) return await this.#print(own())
    if (topic !== undefined) return await this.#topicHelp(level, topic)
    return await this.#print(level.overview())
  }

  async #topicHelp (level: Level<C>, topic: string): Promise<number> {
    if (helpNames.some(name => name === topic)) return await this.#print(this.#commandHelp(helpCommand, level.helpPath))
    const command = level.commands.find(({ name }) => name === topic)
    if (command !== undefined) return await this.#print(this.#commandHelp(command, `${level.path} ${command.name}`))
    await this.#terminal.stderr.write(`No help topic for '${topic}'\n`)
    return unknownTopicExit
  }

  #commandHelp (command: Described, path: string): string {
    return this.#program.dialect.help.command(help(command, path, command.flags ?? []))
  }

  #programHelp (flags: readonly Flag[]): string {
    const { name, usage, version, description, commands, dialect } = this.#program
    const lines = [...visible(commands), { names: helpNames, usage: helpCommand.usage }]
    return dialect.help.program({ name, usage, version, description, commands: lines, flags })
  }

  async #usageError (message: string, level: { help: () => string }): Promise<number> {
    await this.#print(message + level.help())
    return this.#program.usageErrorExit
  }

  async #print (text: string): Promise<number> {
    await this.#terminal.stdout.write(text)
    return 0
  }

  #call<T> (context: T, globals: FlagValues, flags: FlagValues, args: readonly string[]): Call<T> {
    return {
      context, globals, flags, arguments: args, terminal: this.#terminal,
      showHelp: async () => { await this.#print(this.#programHelp([...this.#program.flags, helpFlag, versionFlag])) },
    }
  }
}

function help (command: Described, path: string, flags: readonly Flag[]): CommandHelp {
  return { path, usage: command.usage, argumentsUsage: command.argumentsUsage, description: command.description, commands: [], flags }
}

function visible<C> (commands: ReadonlyArray<Command<C>>): Array<{ names: string[], usage: string }> {
  return commands.filter(({ hidden }) => hidden !== true).map(({ name, usage }) => ({ names: [name], usage }))
}
