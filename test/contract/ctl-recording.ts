import { runProgram } from '../../src/cli/command-line/run.ts'
import { memoryTerminal } from '../../src/cli/command-line/memory-terminal.ts'
import { program } from '../../src/cli/ctl/program.ts'

/** A run of the reference's `ipfs-cluster-ctl`, as its recordings describe it. */
export interface CtlRecording {
  readonly argv: readonly string[]
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
  readonly setup: string
}

export interface CtlRun { readonly exit: number, readonly stdout: string, readonly stderr: string }

/** Words of the recordings and what they stand for here, for example a port. */
export type Replacements = ReadonlyArray<readonly [recorded: string, ours: string]>

/** Runs our `ipfs-cluster-ctl` with the words of a recording; the output is given in the recording's words. */
export async function replay (recording: CtlRecording, replacements: Replacements): Promise<CtlRun> {
  const { exit, stdout, stderr } = await runCtl(recording.argv.slice(1).map(word => replaceAll(word, replacements)))
  const back = replacements.map(([recorded, ours]) => [ours, recorded] as const)
  return { exit, stdout: replaceAll(stdout, back), stderr: replaceAll(stderr, back) }
}

/** Runs our `ipfs-cluster-ctl`; log lines are taken out of stderr, as they are from the recordings. */
export async function runCtl (args: readonly string[]): Promise<CtlRun> {
  const terminal = memoryTerminal()
  const exit = await runProgram(program, args, terminal)
  return { exit, stdout: terminal.written.stdout, stderr: terminal.written.stderr.replace(/^\d{4}-\d\d-\d\dT[^\n]*\n/gm, '') }
}

function replaceAll (text: string, replacements: Replacements): string {
  return replacements.reduce((text, [from, to]) => text.replaceAll(from, to), text)
}

/**
 * What of an output has to agree whoever the peers are and whenever it ran: times, peer IDs,
 * measured values and the order of items are covered, what several peers say alike is said once.
 */
export function comparable (stdout: string): string {
  if (stdout.startsWith('{') || stdout.startsWith('[')) return JSON.stringify(jsonValues(stdout).map(coverJson), undefined, 1)
  const lines = coverText(stdout).split('\n')
  const blocks: string[][] = []
  for (const line of lines) {
    if (line.startsWith(' ') && blocks.length > 0) blocks.at(-1)?.push(line)
    else blocks.push([line])
  }
  return [...new Set(blocks.map(([head, ...rest]) => [head, ...new Set(rest)].join('\n')))].toSorted().join('\n')
}

function coverText (text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?/g, 'TIME')
    .replace(/12D3Koo\w+/g, 'PEER')
    .replace(/12\*\w{6}/g, 'SHORT')
    .replace(/\[PEER(?: PEER)*\]/g, '[PEERS]')
    .replace(/Sees \d+ other/g, 'Sees N other')
    // Whether a node has an address at all depends on its kind and on what it listens to.
    .replace(/^ {4}- \/.*\n/gm, '')
    .replace(/^PEER \| \w+ \|/gm, 'PEER | NAME |')
    .replace(/^ {4}> .{20} :/gm, '    > NAME :')
    .replace(/Expires in: .*/g, 'Expires in: N')
    .replace(/freespace: \d+ [kMGTPE]?B/g, 'freespace: N')
    .replace(/candidates: \d+/g, 'candidates: N')
    .replace(/^\w+ +\n {2}> CIDs:(?:\n {4}- \w+)*/gm, 'NAME\n  > CIDs:')
}

/** The values of a text that has one JSON value behind the other, each of which must be indented by four. */
function jsonValues (text: string): unknown[] {
  return text.split(/(?<=^[}\]])\n/m).filter(part => part !== '').map(text => {
    const part = text.trimEnd()
    const value: unknown = JSON.parse(part)
    // Beyond 2^53 our comparison cannot see digits, the text can.
    const bare = part.replace(/\d{16,}/g, 'N')
    const indented = JSON.stringify(value, undefined, 4).replace(/\d{16,}/g, 'N')
    if (bare !== indented) throw new Error(`not indented by four:\n${part}`)
    return value
  })
}

/** Names of fields whose values differ from run to run. */
const covered = /^(?:timestamp|created|expire|expire_at|received_at|triggered_at|weight|value|total_in|total_out|rate_in|rate_out|peername|ipfs_peer_id|ipfs_peer_addresses)$/

function coverJson (value: unknown): unknown {
  if (typeof value === 'string') return coverText(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return [...new Map(value.map(item => [JSON.stringify(coverJson(item)), coverJson(item)])).values()]
  const entries = Object.entries(value).filter(([key]) => key !== 'ipfs_peer_addresses')
  return Object.fromEntries(entries.map(([key, item]) => [coverText(key), covered.test(key) ? key.toUpperCase() : coverJson(item)]))
}
