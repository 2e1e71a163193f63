import { errorText } from '../../domain/errors.ts'
import type { FlagValues } from './parse-flags.ts'
import type { Terminal } from './terminal.ts'

/*
 * The commands are tables, read by `run.ts`. A library such as commander cannot keep the contract
 * (spec/cli.md 0): flags with one dash and many letters, `--flag=false`, parsing that ends at the
 * first argument of each level, trailing flags of the last level only, exit codes that differ
 * between the programs, and help compared byte by byte.
 */

/** A program with its commands. `C` is what `before` makes for the actions, for example an API client. */
export interface Program<C = undefined> {
  readonly name: string
  readonly usage: string
  readonly description: string
  readonly version: string
  readonly dialect: Dialect
  readonly flags: readonly Flag[]
  readonly commands: ReadonlyArray<Command<C>>
  /** The exit code after a flag that cannot be read. */
  readonly usageErrorExit: number
  /** Runs when the global flags are read, before any command. Only --help and --version come earlier. */
  readonly before: (call: Call<undefined>) => Promise<C> | C
  /** Without a command or with an unknown one; when absent: help, or exit 3 for an unknown command. */
  readonly action?: Action<C>
}

/** A command (with `action`) or a group of them (with `commands`). */
export interface Command<C = undefined> {
  readonly name: string
  readonly usage: string
  readonly argumentsUsage?: string
  readonly description?: string
  readonly hidden?: boolean
  readonly flags?: readonly Flag[]
  readonly commands?: ReadonlyArray<Command<C>>
  /** Groups only: runs before the command below, also before its --help. */
  readonly before?: Action<C>
  readonly action?: Action<C>
}

interface FlagBase {
  /** All names, the first one is the one that code asks for: `['replication-min', 'rmin']`. */
  readonly names: readonly [string, ...string[]]
  /** A word in backquotes takes the place of `value` in the help. */
  readonly usage: string
  readonly hidden?: boolean
}

export interface BooleanFlag extends FlagBase { readonly kind: 'boolean' }
/** `environment` names the variable that gives the value when the flag is absent, even an empty one. */
export interface TextFlag extends FlagBase { readonly kind: 'text', readonly default?: string, readonly environment?: string }
export interface IntegerFlag extends FlagBase { readonly kind: 'integer', readonly default?: number }
/** Milliseconds. */
export interface DurationFlag extends FlagBase { readonly kind: 'duration', readonly default?: number }
/** May be given several times. */
export interface TextListFlag extends FlagBase { readonly kind: 'texts' }
export type Flag = BooleanFlag | TextFlag | IntegerFlag | DurationFlag | TextListFlag

/** What an action gets. */
export interface Call<C> {
  readonly context: C
  /** The arguments behind the flags of the last level. */
  readonly arguments: readonly string[]
  /** The flags of the last level. */
  readonly flags: FlagValues
  /** The flags before the command. */
  readonly globals: FlagValues
  readonly terminal: Terminal
  /** Writes the help of the program to stdout. */
  showHelp (): Promise<void>
}

/** The result is the exit code, 0 when there is none. Failures are thrown as {@link CommandError}. */
export type Action<C> = (call: Call<C>) => Promise<number | void> | number | void

/** What differs between the versions of the reference's command line library. */
export interface Dialect {
  /** True when flags behind the arguments of a command count as flags (v1). */
  readonly movesTrailingFlags: boolean
  readonly help: HelpLayout
}

export interface HelpLayout {
  program (help: ProgramHelp): string
  group (help: CommandHelp): string
  command (help: CommandHelp): string
}

export interface ProgramHelp {
  readonly name: string
  readonly usage: string
  readonly version: string
  readonly description: string | undefined
  readonly commands: readonly CommandLine[]
  readonly flags: readonly Flag[]
}

export interface CommandHelp {
  /** The whole way to it: `ipfs-cluster-ctl pin add`. */
  readonly path: string
  readonly usage: string
  readonly argumentsUsage: string | undefined
  readonly description: string | undefined
  readonly commands: readonly CommandLine[]
  readonly flags: readonly Flag[]
}

export interface CommandLine { readonly names: readonly string[], readonly usage: string }

/** Ends the program with `error <doing>: <reason>` on stderr. */
export class CommandError extends Error {
  readonly doing: string
  readonly exitCode: number

  constructor (doing: string, reason: unknown, exitCode = 1) {
    super(errorText(reason), { cause: reason })
    this.name = 'CommandError'
    this.doing = doing
    this.exitCode = exitCode
  }
}

/** Ends the program with `exitCode`; what there was to say has been said. */
export class Exit extends Error {
  readonly exitCode: number

  constructor (exitCode: number) {
    super(`exit ${exitCode}`)
    this.name = 'Exit'
    this.exitCode = exitCode
  }
}
