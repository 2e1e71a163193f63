import { closeSync, openSync, writeSync } from 'node:fs'
import type { Loggers } from '../platform/logger.ts'
import type { LogFormat, LogLevels } from '../platform/pino-loggers.ts'

/** What `--loglevel` says, or what is wrong with it. */
export interface ParsedLogLevels {
  readonly levels: LogLevels
  /** Components that were named more than once; the last counts. */
  readonly repeated: readonly string[]
}

/**
 * Reads `--loglevel`: `level` or `component:level`, comma separated (spec/cli.md 1.1). `isDebug` is
 * `--debug`, which counts for everything.
 * @returns undefined when an item has more than two parts
 */
export function parseLogLevels (text: string, isDebug: boolean): ParsedLogLevels | undefined {
  if (isDebug) return { levels: { all: 'debug', components: new Map() }, repeated: [] }
  const levels = new Map<string, string>()
  const repeated: string[] = []
  for (const item of text.split(',')) {
    if (item === '') continue
    const parts = item.split(':')
    if (parts.length > 2) return undefined
    const [component, level] = parts.length === 1 ? ['all', item] : parts as [string, string]
    if (levels.has(component)) repeated.push(component)
    levels.set(component, level)
  }
  const all = levels.get('all') ?? 'info'
  levels.delete('all')
  return { levels: { all, components: levels }, repeated }
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Loggers that write to stderr. In a terminal: coloured lines for people. Otherwise `usual`: JSON
 * for a daemon whose log is collected, plain lines for a command whose output is read at once.
 * The reference's variables GOLOG_LOG_FMT (json, nocolor, color), GOLOG_FILE and GOLOG_OUTPUT
 * (stderr, stdout, file, joined by +) count.
 */
export async function openLoggers (levels: LogLevels, environment: Environment, usual: 'json' | 'plain'): Promise<Loggers> {
  const { pinoLoggers } = await import('../platform/pino-loggers.ts')
  return pinoLoggers(levels, logFormat(environment, usual), { write: destination(environment, usual === 'json') })
}

export function logFormat (environment: Environment, usual: 'json' | 'plain', isTerminal = process.stderr.isTTY === true): LogFormat {
  switch (environment.GOLOG_LOG_FMT) {
    case 'json': return 'json'
    case 'nocolor': return 'plain'
    case 'color': return 'terminal'
    default: return isTerminal ? 'terminal' : usual
  }
}

function destination (environment: Environment, isBusy: boolean): (line: string) => void {
  const file = environment.GOLOG_FILE || undefined
  const outputs = new Set((environment.GOLOG_OUTPUT || (file === undefined ? 'stderr' : 'file')).split('+'))
  const writers: Array<(line: string) => void> = []
  if (outputs.has('stderr')) writers.push(isBusy ? turnWriter(2) : descriptorWriter(2))
  if (outputs.has('stdout')) writers.push(isBusy ? turnWriter(1) : descriptorWriter(1))
  if (outputs.has('file') && file !== undefined) writers.push(fileWriter(file))
  return line => { for (const write of writers) write(line) }
}

/** Where a line has told its level, in all formats. */
const levelEnd = 60
const urgent = /"level":[456]0|(WARN|ERROR|FATAL)/

/** Lines of one turn of the event loop are written at once: a busy API logs thousands a second. */
function turnWriter (descriptor: 1 | 2): (line: string) => void {
  const write = descriptorWriter(descriptor)
  let waiting = ''
  const flush = (): void => {
    const text = waiting
    waiting = ''
    if (text !== '') write(text)
  }
  process.on('exit', flush)
  return line => {
    if (waiting === '') setImmediate(flush)
    waiting += line
    // Warnings and errors come before whatever else the process writes then.
    if (urgent.test(line.slice(0, levelEnd))) flush()
  }
}

function descriptorWriter (descriptor: 1 | 2): (text: string) => void {
  // Not touched before it is needed: a stream that is looked at opens.
  const stream = (): NodeJS.WriteStream => descriptor === 2 ? process.stderr : process.stdout
  return fullWriter((bytes, from) => writeSync(descriptor, bytes, from), { leave: bytes => { stream().write(bytes) }, waitingBytes: () => stream().writableLength })
}

/** Why a write failed that the stream is to try again or to judge: a pipe's slow reader, and one that is gone. */
const aboutPipes = new Set<unknown>(['EAGAIN', 'EPIPE'])
/** Bytes that may wait for a slow reader. */
const maxWaitingBytes = 16 * 1024 * 1024
const newline = 0x0a

/** A stream that takes what cannot be written at once. */
export interface WaitingStream {
  leave (bytes: Uint8Array): void
  /** Of what was left and is not written yet. */
  waitingBytes (): number
}

/**
 * Writes whole texts, each of lines. A pipe whose reader is slow takes what it can: the rest is left
 * to the stream, and so is what comes behind it as long as it waits; what is too much for that is
 * lost. What a full disk does not take is lost, too: a peer does not end for want of a log. A line
 * that was cut off then ends before the next one begins.
 * @param write answers how many bytes were taken
 */
export function fullWriter (write: (bytes: Uint8Array, from: number) => number, stream: WaitingStream): (text: string) => void {
  let isCut = false
  let hasLeft = false
  return text => {
    if (hasLeft) {
      const waiting = stream.waitingBytes()
      if (waiting > maxWaitingBytes) return
      if (waiting > 0) {
        stream.leave(Buffer.from(text))
        return
      }
      hasLeft = false
    }
    const bytes = Buffer.from(isCut ? `\n${text}` : text)
    let written = 0
    try {
      while (written < bytes.length) written += write(bytes, written)
    } catch (error) {
      if (aboutPipes.has((error as NodeJS.ErrnoException).code)) {
        stream.leave(bytes.subarray(written))
        hasLeft = true
        written = bytes.length
      }
    }
    if (written > 0) isCut = bytes[written - 1] !== newline
  }
}

/** Opens the file for every line: it may be moved away by whoever rotates logs. */
function fileWriter (path: string): (line: string) => void {
  return line => {
    try {
      const file = openSync(path, 'a', 0o644)
      try {
        writeSync(file, line)
      } finally {
        closeSync(file)
      }
    } catch {
      process.stderr.write(line)
    }
  }
}
