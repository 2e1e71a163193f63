/** The first key after all that begin with `prefix` (which ends in a slash). */
export function prefixEnd (prefix: string): string {
  return `${prefix.slice(0, -1)}0`
}

export function writeVarint (value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

/** 0 for no bytes. */
export function readVarint (bytes: Uint8Array): number {
  let value = 0
  for (let i = 0; i < bytes.length && i < 8; i++) {
    value += ((bytes[i] as number) & 127) * 2 ** (7 * i)
    if ((bytes[i] as number) < 128) break
  }
  return value
}
