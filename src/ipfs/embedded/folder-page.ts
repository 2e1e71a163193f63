import type { Cid } from '../../domain/cid.ts'
import type { NamedLink } from './unixfs.ts'

/** A plain page with links to what is in a folder; `path` is the path of the folder as it was asked for. */
export async function folderPage (path: string, cid: Cid, entries: AsyncIterable<NamedLink>, maxEntries: number): Promise<string> {
  const rows: string[] = []
  let more = false
  for await (const { name, totalBytes } of entries) {
    if (rows.length >= maxEntries) {
      more = true
      break
    }
    rows.push(`<tr><td><a href="./${encodeURIComponent(name)}">${escapeHtml(name)}</a></td><td>${totalBytes.toLocaleString('en')}</td></tr>`)
  }
  const title = escapeHtml(path)
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<style>body{font-family:sans-serif;margin:2em}td{padding:.2em 1em .2em 0}td+td{text-align:right}code{color:#666}</style></head>
<body><h1>${title}</h1><p><code>${cid}</code></p><p><a href="..">..</a></p>
<table>
${rows.join('\n')}
</table>
${more ? `<p>Only the first ${maxEntries} are shown.</p>` : ''}</body></html>
`
}

function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, letter => `&#${letter.charCodeAt(0)};`)
}
