/** A header such as `form-data; name="file"; filename="a%20b"`. */
export interface HeaderValue {
  /** What stands before the first `;`, in lower case. */
  readonly value: string
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * Splits a header into its value and parameters (RFC 2045 5.1, RFC 2231 4 for `name*=utf-8''…`).
 * Values stay one character a byte. What cannot be read ends the parameters.
 */
export function parseHeaderValue (header: string): HeaderValue {
  const semicolon = header.indexOf(';')
  const value = (semicolon === -1 ? header : header.slice(0, semicolon)).trim().toLowerCase()
  const parameters = new Map<string, string>()
  const pattern = /\s*;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\[^])*)"|([^\s;"]*))/y
  pattern.lastIndex = semicolon === -1 ? header.length : semicolon
  for (let match = pattern.exec(header); match !== null; match = pattern.exec(header)) {
    const [, name = '', quoted, plain = ''] = match
    const text = quoted === undefined ? plain : unescapeQuoted(quoted)
    const key = name.toLowerCase()
    if (key.endsWith('*')) parameters.set(key.slice(0, -1), decodeExtended(text))
    else if (!parameters.has(key)) parameters.set(key, text)
  }
  return { value, parameters }
}

/** Browsers leave backslashes of a path alone: only an escaped quote or backslash counts. */
function unescapeQuoted (text: string): string {
  return text.includes('\\') ? text.replace(/\\(["\\])/g, '$1') : text
}

/** `utf-8''a%20b` to one character a byte. */
function decodeExtended (text: string): string {
  const content = text.slice(text.lastIndexOf('\'') + 1)
  return content.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}
