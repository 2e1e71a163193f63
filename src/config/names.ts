/** `listenMultiaddress` → `listen_multiaddress`. */
export function snakeCase (property: string): string {
  return property.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

/** The part of an environment variable that stands for a key: `high_water` → `HIGHWATER`. */
export function variableWord (key: string): string {
  return key.replaceAll('_', '').toUpperCase()
}

const acronyms: Readonly<Record<string, string>> = {
  cors: 'CORS', gc: 'GC', http: 'HTTP', https: 'HTTPS', id: 'ID', ipfs: 'IPFS', mdns: 'MDNS', repogc: 'RepoGC', ssl: 'SSL', ttl: 'TTL', wal: 'WAL',
}

/** What the reference calls the field of a key in its messages: `cors_max_age` → `CORSMaxAge`. */
export function fieldName (key: string): string {
  return key.split('_').map(word => acronyms[word] ?? word.slice(0, 1).toUpperCase() + word.slice(1)).join('')
}

/** The one of `names` that is most like `word`, or undefined when none is near. */
export function nearestName (word: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const name of names) {
    const distance = editDistance(word.toLowerCase().slice(0, longestComparedName), name.toLowerCase())
    if (distance < bestDistance) [best, bestDistance] = [name, distance]
  }
  return best
}

/** No key is longer; the bound keeps the comparison short whatever the file holds. */
const longestComparedName = 64

/** Levenshtein's distance: the fewest letters to insert, remove or replace. */
function editDistance (from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[to.length] as number
}
