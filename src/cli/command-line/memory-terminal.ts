import { inputFrom, type Output, type Terminal } from './terminal.ts'

export interface MemoryTerminal extends Terminal {
  /** What was written so far. */
  readonly written: { readonly stdout: string, readonly stderr: string }
}

export interface MemoryTerminalOptions {
  readonly stdin?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Whether stderr acts as a terminal of 80 columns. */
  readonly isTerminal?: boolean
}

/** A terminal that keeps what is written and reads from a text: runs a command without a process. */
export function memoryTerminal ({ stdin = '', environment = {}, isTerminal = false }: MemoryTerminalOptions = {}): MemoryTerminal {
  const written = { stdout: '', stderr: '' }
  const output = (stream: 'stdout' | 'stderr', isTerminal: boolean): Output => ({
    isTerminal,
    columns: isTerminal ? 80 : undefined,
    async write (text) { written[stream] += text },
  })
  return {
    written,
    stdout: output('stdout', false),
    stderr: output('stderr', isTerminal),
    stdin: inputFrom(bytesOf(stdin)),
    environment,
  }
}

async function * bytesOf (text: string): AsyncGenerator<Uint8Array> {
  if (text !== '') yield new TextEncoder().encode(text)
}
