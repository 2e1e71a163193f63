import { posix } from 'node:path'

/** What a request asks for. */
export interface RequestTarget {
  /** Percent-decoded, one character a byte. */
  readonly path: string
  /** With its `?`; empty when there is none. */
  readonly query: string
}

const slash = 0x2f

/**
 * Where the path of `url` ends, when it is one that every rule of spec/rest-api.md 1.1 leaves as it
 * is: absolute, without escapes, empty or dot segments, or a slash at the end. Else -1.
 */
export function plainPathEnd (url: string): number {
  if (url.charCodeAt(0) !== slash) return -1
  let previous = 0
  let at = 0
  for (; at < url.length; at++) {
    const code = url.charCodeAt(at)
    if (code === 0x3f /* ? */) break
    if (code === 0x25 /* % */ || code === 0x23 /* # */ || code < 0x21 || code > 0x7e) return -1
    if (previous === slash && (code === slash || code === 0x2e /* . */)) return -1
    previous = code
  }
  return previous === slash ? -1 : at
}

/** Takes a request target apart, the absolute form of proxies included; undefined when it is broken. */
export function parseTarget (url: string): RequestTarget | undefined {
  const local = url.replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?]*/, '')
  const end = local.indexOf('?')
  const path = end < 0 ? local : local.slice(0, end)
  // eslint-disable-next-line no-control-regex
  if (/%(?![0-9A-Fa-f]{2})|[\x00-\x1f\x7f]/.test(path) || (path !== '' && path.charCodeAt(0) !== slash)) return undefined
  return {
    path: path.replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    query: end < 0 ? '' : local.slice(end),
  }
}

/** Where a request for a path that is not in its final form is sent. */
export interface Redirect {
  readonly status: 301 | 307
  readonly location: string
}

/** First the slash at the end goes (307), then doubled slashes and dot segments (301). */
export function redirectOf ({ path, query }: RequestTarget): Redirect | undefined {
  if (path.endsWith('/')) return { status: 307, location: escapePath(cleanPath(path.slice(0, -1))) + query }
  const clean = cleanPath(path)
  return clean === path ? undefined : { status: 301, location: escapePath(clean) + query }
}

/** Never begins with two slashes: that would lead to another host. */
function cleanPath (path: string): string {
  return posix.normalize(path.startsWith('/') ? path : `/${path}`)
}

function escapePath (path: string): string {
  return path.replace(/[^A-Za-z0-9\-_.~$&+,/:;=@]/g, character => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

/** A URL whose segments a router finds to be those of the decoded path: an escaped slash becomes a real one. */
export function routableUrl ({ path, query }: RequestTarget): string {
  return Buffer.from(path, 'latin1').toString().split('/').map(encodeURIComponent).join('/') + query
}
