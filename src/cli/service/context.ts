import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { ClusterError } from '../../domain/errors.ts'
import type { FolderLock } from '../../platform/folder-lock.ts'
import type { Logger, Loggers } from '../../platform/logger.ts'
import type { LogLevels } from '../../platform/pino-loggers.ts'
import { CommandError, Exit, type Call } from '../command-line/command.ts'
import { openLoggers, parseLogLevels } from '../loggers.ts'

/** What the global flags say. */
export interface ServiceContext {
  /** The configuration and data folder, absolute. */
  readonly folder: string
  readonly configurationPath: string
  readonly identityPath: string
  readonly logLevels: LogLevels
}

export type ServiceCall = Call<ServiceContext>

/** Where the folder is when nobody says so. */
export function defaultFolder (environment: Readonly<Record<string, string | undefined>>): string {
  return join(environment.HOME || userInfo().homedir, '.ipfs-cluster')
}

/** Reads the global flags. A log level in a wrong form ends the run without a word, as in the reference. */
export async function serviceContext (call: Call<undefined>): Promise<ServiceContext> {
  const folder = resolve(call.globals.text('config'))
  const parsed = parseLogLevels(call.globals.text('loglevel'), call.globals.boolean('debug'))
  if (parsed === undefined) throw new Exit(0)
  for (const component of parsed.repeated) await call.terminal.stdout.write(`overwriting existing ${component} log level\n`)
  return { folder, configurationPath: join(folder, 'service.json'), identityPath: join(folder, 'identity.json'), logLevels: parsed.levels }
}

/** Takes the folder's lock for the time of `work`. */
export async function withFolderLock<T> (folder: string, work: () => Promise<T>): Promise<T> {
  const lock = await doing('obtaining execution lock', () => takeLock(folder))
  try {
    return await work()
  } finally {
    lock.release()
  }
}

async function takeLock (folder: string): Promise<FolderLock> {
  const { lockFolder } = await import('../../platform/folder-lock.ts')
  return await lockFolder(folder)
}

/** Runs `work`; what it throws ends the command with `error <what>: …`. */
export async function doing<T> (what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof CommandError || error instanceof Exit ? error : new CommandError(what, error)
  }
}

/** Like {@link doing}, for what reads the configuration: the log says where, what and what is allowed. */
export async function doingWithConfiguration<T> (what: string, log: CommandLog, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ClusterError) {
      const { configurationErrorDetails } = await import('../../config/place.ts')
      const advice = error.code === 'INVALID_IDENTITY' ? error.advice : undefined
      const details = configurationErrorDetails(error) ?? error.details.hint ?? advice
      if (typeof details === 'string') await log.error('config', details)
    }
    throw new CommandError(what, error)
  }
}

/** The log of a command: opened when there is something to say. */
export class CommandLog {
  readonly #call: ServiceCall
  readonly #usual: 'json' | 'plain'
  #loggers: Promise<Loggers> | undefined

  /** `usual` is the form when stderr is no terminal. */
  constructor (call: ServiceCall, usual: 'json' | 'plain' = 'plain') {
    this.#call = call
    this.#usual = usual
  }

  async info (component: string, message: string): Promise<void> { (await this.#logger(component)).info(message) }
  async warn (component: string, message: string): Promise<void> { (await this.#logger(component)).warn(message) }
  async error (component: string, message: string): Promise<void> { (await this.#logger(component)).error(message) }

  loggers (): Promise<Loggers> {
    this.#loggers ??= openLoggers(this.#call.context.logLevels, this.#call.terminal.environment, this.#usual)
    return this.#loggers
  }

  async #logger (component: string): Promise<Logger> { return (await this.loggers()).component(component) }
}
