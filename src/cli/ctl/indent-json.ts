const indentation = '    '
/** A string, a bracket, a comma, a colon or a plain word; blanks between them are dropped. */
const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs

/**
 * JSON as the reference prints it, indented by four. Works on the text that the peer sent, so that
 * numbers above 2^53, times to the nanosecond and the order of fields stay as they are.
 */
export function indentJson (json: string): string {
  let out = ''
  let depth = 0
  let previous = ''
  for (const [token] of json.matchAll(tokens)) {
    if (token === '}' || token === ']') depth--
    const isEmpty = (token === '}' && previous === '{') || (token === ']' && previous === '[')
    const breaksBefore = previous === '{' || previous === '[' || previous === ',' || token === '}' || token === ']'
    if (breaksBefore && !isEmpty && previous !== '') out += `\n${indentation.repeat(depth)}`
    if (token === '{' || token === '[') depth++
    out += token === ':' ? ': ' : token
    previous = token
  }
  return out
}
