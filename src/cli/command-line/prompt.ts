import type { Input, Terminal } from './terminal.ts'

/** A question is put so often before silence counts as no. */
const maxAttempts = 3
/** A longer answer is none; the rest of it is not kept. */
const maxAnswerBytes = 4096

/**
 * Asks until the answer is y or n. An empty line, the end of the input and three wrong answers are
 * a no. Words after the answer stay in the input (spec/cli.md 1.9).
 */
export async function askYesNo (terminal: Terminal, question: string): Promise<boolean> {
  let answer = ''
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    await terminal.stdout.write(`${question} `)
    answer = await readWord(terminal.stdin) ?? answer
    if (answer === 'y' || answer === 'Y') return true
    if (answer === 'n' || answer === 'N' || answer === '') return false
    await terminal.stdout.write('Please press either \'y\' or \'n\'\n')
  }
  return false
}

/** Asks for one line and returns it without its end. */
export async function askLine (terminal: Terminal, question: string): Promise<string> {
  await terminal.stdout.write(question)
  return (await readUntil(terminal.stdin, byte => byte === newline, [])).replace(/\r$/, '')
}

const newline = 0x0a
const isBlank = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)

/** The next word with the one character behind it, or undefined when the line or the input ends first. */
async function readWord (input: Input): Promise<string | undefined> {
  let first = await input.readByte()
  while (first !== undefined && first !== newline && isBlank(first)) first = await input.readByte()
  if (first === undefined || first === newline) return undefined
  return await readUntil(input, isBlank, [first])
}

async function readUntil (input: Input, isEnd: (byte: number) => boolean, bytes: number[]): Promise<string> {
  for (let byte = await input.readByte(); byte !== undefined && !isEnd(byte); byte = await input.readByte()) {
    if (bytes.length < maxAnswerBytes) bytes.push(byte)
  }
  return new TextDecoder().decode(Uint8Array.from(bytes))
}
