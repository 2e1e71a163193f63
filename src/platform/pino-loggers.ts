import { pino, type DestinationStream, type LevelWithSilent, type Logger as PinoLogger } from 'pino'
import type { Logger, Loggers } from './logger.ts'

/** Levels by component; `all` for those not named. */
export interface LogLevels {
  readonly all: string
  readonly components: ReadonlyMap<string, string>
}

/** Components that keep their own level unless named (spec/cli.md 1.7). */
const ownLevels = new Map([['p2p-gorpc', 'error'], ['swarm2', 'error'], ['pebble', 'warn']])
const levelByWord = new Map<string, LevelWithSilent>([
  ['debug', 'debug'], ['info', 'info'], ['warn', 'warn'], ['warning', 'warn'], ['error', 'error'],
  ['dpanic', 'fatal'], ['panic', 'fatal'], ['fatal', 'fatal'], ['critical', 'fatal'],
])

/** `terminal`: lines for people; `json`: one object a line. */
export type LogFormat = 'terminal' | 'plain' | 'json'

/** Loggers on pino: one child a component. Unknown levels count as info. */
export function pinoLoggers (levels: LogLevels, format: LogFormat, destination: DestinationStream): Loggers {
  const stream = format === 'json' ? destination : new LineStream(destination, format === 'terminal')
  const root = pino({ level: 'trace', base: null, timestamp: timeField }, stream)
  const byName = new Map<string, Logger>()
  return {
    component (name) {
      let logger = byName.get(name)
      if (logger === undefined) byName.set(name, logger = child(root, name, levelOf(name, levels)))
      return logger
    },
  }
}

function child (root: PinoLogger, name: string, level: LevelWithSilent): Logger {
  const logger = root.child({ component: name }, { level })
  return {
    debug: logger.debug.bind(logger),
    info: logger.info.bind(logger),
    warn: logger.warn.bind(logger),
    error: logger.error.bind(logger),
  }
}

function levelOf (name: string, levels: LogLevels): LevelWithSilent {
  const word = levels.components.get(name) ?? ownLevels.get(name) ?? levels.all
  return levelByWord.get(word.toLowerCase()) ?? 'info'
}

let lastSecond = NaN
let secondText = ''

/** The present time in RFC 3339 with milliseconds; all but these is made once a second: a busy API logs thousands of lines in one. */
function timeField (): string {
  const now = Date.now()
  const second = Math.floor(now / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    secondText = new Date(second * 1000).toISOString().slice(0, -'000Z'.length)
  }
  return `,"time":"${secondText}${String(now - second * 1000).padStart(3, '0')}Z"`
}

const words = new Map([[20, 'DEBUG'], [30, 'INFO'], [40, 'WARN'], [50, 'ERROR'], [60, 'FATAL']])
const colours = new Map([[20, 35], [30, 34], [40, 33], [50, 31], [60, 31]])

/** Turns the JSON lines of pino into the reference's: time, level, component, text, fields, with tabs between. */
class LineStream implements DestinationStream {
  readonly #destination: DestinationStream
  readonly #hasColours: boolean

  constructor (destination: DestinationStream, hasColours: boolean) {
    this.#destination = destination
    this.#hasColours = hasColours
  }

  write (line: string): void {
    const { time, level, component, msg, ...fields } = JSON.parse(line) as { time: string, level: number, component: string, msg?: string }
    const word = words.get(level) ?? String(level)
    const shown = this.#hasColours ? `\u001b[${colours.get(level) ?? 0}m${word}\u001b[0m` : word
    const rest = Object.keys(fields).length === 0 ? '' : `\t${JSON.stringify(fields)}`
    this.#destination.write(`${time}\t${shown}\t${component}\t${msg ?? ''}${rest}\n`)
  }
}
