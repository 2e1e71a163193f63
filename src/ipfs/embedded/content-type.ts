/** Types by the ending of a name: what browsers and players need to be told. */
const byEnding: Readonly<Record<string, string>> = {
  avif: 'image/avif', bin: 'application/octet-stream', bmp: 'image/bmp', bz2: 'application/x-bzip2', car: 'application/vnd.ipld.car',
  cjs: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', csv: 'text/csv; charset=utf-8', epub: 'application/epub+zip',
  flac: 'audio/flac', gif: 'image/gif', gz: 'application/gzip', htm: 'text/html; charset=utf-8', html: 'text/html; charset=utf-8',
  ico: 'image/x-icon', jpeg: 'image/jpeg', jpg: 'image/jpeg', js: 'text/javascript; charset=utf-8', json: 'application/json',
  log: 'text/plain; charset=utf-8', m3u8: 'application/vnd.apple.mpegurl', m4a: 'audio/mp4', md: 'text/markdown; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8', mkv: 'video/x-matroska', mov: 'video/quicktime', mp3: 'audio/mpeg', mp4: 'video/mp4',
  oga: 'audio/ogg', ogg: 'audio/ogg', ogv: 'video/ogg', opus: 'audio/ogg', otf: 'font/otf', pdf: 'application/pdf', png: 'image/png',
  rss: 'application/rss+xml', svg: 'image/svg+xml', tar: 'application/x-tar', tif: 'image/tiff', tiff: 'image/tiff', toml: 'application/toml',
  ts: 'text/plain; charset=utf-8', ttf: 'font/ttf', txt: 'text/plain; charset=utf-8', wasm: 'application/wasm', wav: 'audio/wav',
  webm: 'video/webm', webmanifest: 'application/manifest+json', webp: 'image/webp', woff: 'font/woff', woff2: 'font/woff2',
  xhtml: 'application/xhtml+xml', xml: 'application/xml', yaml: 'application/yaml', yml: 'application/yaml', zip: 'application/zip', zst: 'application/zstd',
}

/** Types by bytes near the beginning: at which byte, which. */
const bySignature: ReadonlyArray<readonly [number, readonly number[] | string, string]> = [
  [0, [0x89, 0x50, 0x4e, 0x47], 'image/png'], [0, [0xff, 0xd8, 0xff], 'image/jpeg'], [0, 'GIF8', 'image/gif'], [8, 'WEBP', 'image/webp'],
  [0, '%PDF-', 'application/pdf'], [0, [0x50, 0x4b, 3, 4], 'application/zip'], [0, [0x1f, 0x8b], 'application/gzip'], [4, 'ftyp', 'video/mp4'],
  [0, [0x1a, 0x45, 0xdf, 0xa3], 'video/webm'], [0, 'OggS', 'audio/ogg'], [0, 'ID3', 'audio/mpeg'], [0, [0, 0x61, 0x73, 0x6d], 'application/wasm'],
]

/** Types by what a text begins with. */
const byMarkup: ReadonlyArray<readonly [RegExp, string]> = [
  [/^\s*<(!doctype html|html|head|body)[\s>]/i, 'text/html; charset=utf-8'], [/^\s*<svg[\s>]/i, 'image/svg+xml'], [/^\s*<\?xml/i, 'application/xml'],
]

/** Bytes that {@link contentType} wants to see. */
export const sniffedBytes = 512

/** What to tell a browser about content with this name, else by its first bytes. */
export function contentType (name: string, beginning: Uint8Array): string {
  const ending = /\.([A-Za-z0-9]{1,11})$/.exec(name)?.[1]?.toLowerCase()
  if (ending !== undefined && Object.hasOwn(byEnding, ending)) return byEnding[ending] as string
  for (const [at, signature, type] of bySignature) {
    const wanted = Buffer.from(signature as string)
    if (wanted.equals(beginning.subarray(at, at + wanted.length))) return type
  }
  const text = beginningOfText(beginning.subarray(0, sniffedBytes))
  if (text === undefined) return 'application/octet-stream'
  return byMarkup.find(([pattern]) => pattern.test(text))?.[1] ?? 'text/plain; charset=utf-8'
}

/** The text, or undefined when it is none: UTF-8 without control characters. The last letter may be cut off. */
function beginningOfText (bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      // Tabs, ends of lines and pages, and escapes of terminals do stand in texts.
      if (code < 0x20 && !(code >= 0x09 && code <= 0x0d) && code !== 0x1b) return undefined
    }
    return text
  } catch {
    return undefined
  }
}
