/** A value for a query as the reference escapes it: its error messages show it. */
export function queryEscape (text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]|%20/g, found => found === '%20' ? '+' : `%${found.charCodeAt(0).toString(16).toUpperCase()}`)
}
