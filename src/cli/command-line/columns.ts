/** No line of help is wider, so that it stays readable on every terminal. */
const maxHelpColumns = 120
/** Between the two columns. */
const paddingColumns = 2

/**
 * Lines up the text behind the tab of each line: neighbouring lines with a tab share their column, a
 * line without one begins a new block. Lines that get too wide are wrapped under their second column.
 */
export function layoutColumns (text: string): string {
  const lines = text.split('\n')
  const out: string[] = []
  for (let at = 0; at < lines.length;) {
    const block: Array<readonly [string, string]> = []
    for (let cells = twoCells(lines[at]); cells !== undefined; cells = twoCells(lines[++at])) block.push(cells)
    const width = Math.max(0, ...block.map(([first]) => columnsOf(first))) + paddingColumns
    for (const [first, second] of block) out.push(...wrap(first + ' '.repeat(width - columnsOf(first)) + second, width))
    const plain = lines[at++]
    if (plain !== undefined) out.push(...wrap(plain, leadingBlanks(plain)))
  }
  return out.join('\n')
}

function twoCells (line: string | undefined): readonly [string, string] | undefined {
  const tab = line?.indexOf('\t') ?? -1
  return line === undefined || tab < 0 ? undefined : [line.slice(0, tab), line.slice(tab + 1)]
}

/** Breaks at the last blank that fits, or inside a word that is too long for a line of its own. */
function wrap (line: string, indent: number): string[] {
  const lines: string[] = []
  let rest = line
  while (columnsOf(rest) > maxHelpColumns) {
    const characters = [...rest]
    const blank = characters.lastIndexOf(' ', maxHelpColumns)
    const end = blank > indent ? blank : maxHelpColumns
    lines.push(characters.slice(0, end).join('').trimEnd())
    rest = ' '.repeat(indent) + characters.slice(end).join('').trimStart()
  }
  return [...lines, rest]
}

function leadingBlanks (line: string): number { return line.length - line.trimStart().length }

/** Code points stand for columns: help is written in scripts where that holds. */
function columnsOf (text: string): number { return [...text].length }
