/**
 * What a command may read from and write to. Handed in, so that tests run a command without a
 * process and compare what it wrote.
 */
export interface Terminal {
  readonly stdout: Output
  readonly stderr: Output
  readonly stdin: Input
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface Output {
  /** True when a person looks at it: the place for progress bars and colour. */
  readonly isTerminal: boolean
  /** Characters per line, when it is known. */
  readonly columns: number | undefined
  /** Resolves when the reader has room for more: whoever writes much awaits it. */
  write (text: string): Promise<void>
}

export interface Input {
  /** The next byte, or undefined at the end. Nothing behind it is lost for {@link chunks}. */
  readByte (): Promise<number | undefined>
  /** All that was not read yet. */
  chunks (): AsyncIterable<Uint8Array>
}

/** An input that reads `source` only as far as it is asked to. */
export function inputFrom (source: AsyncIterable<Uint8Array>): Input {
  let iterator: AsyncIterator<Uint8Array> | undefined
  let chunk: Uint8Array = new Uint8Array(0)
  let at = 0
  const refill = async (): Promise<boolean> => {
    iterator ??= source[Symbol.asyncIterator]()
    while (at >= chunk.length) {
      const next = await iterator.next()
      if (next.done === true) return false
      chunk = next.value
      at = 0
    }
    return true
  }
  return {
    async readByte () {
      return await refill() ? chunk[at++] : undefined
    },
    async * chunks () {
      while (await refill()) {
        const rest = chunk.subarray(at)
        at = chunk.length
        yield rest
      }
    },
  }
}
