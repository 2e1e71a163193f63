/** Values joined before they become bytes: long texts made of many parts are slow to write, many short ones too. */
const valuesAtOnce = 16

/** The lines of some values. */
export function encodeLines<T> (values: readonly T[], encode: (value: T) => string): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; at < values.length;) {
    const end = Math.min(at + valuesAtOnce, values.length)
    let text = ''
    for (; at < end; at++) text += `${encode(values[at] as T)}\n`
    pieces.push(Buffer.from(text))
  }
  return pieces.length === 1 ? pieces[0] as Buffer : Buffer.concat(pieces)
}
