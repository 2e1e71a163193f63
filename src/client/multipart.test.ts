import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multipartBody, type UploadEntry } from './multipart.ts'

async function * chunksOf (...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text)
}

async function * entriesOf (...entries: readonly UploadEntry[]): AsyncGenerator<UploadEntry> { yield * entries }

async function textOf (entries: () => AsyncIterable<UploadEntry>): Promise<string> {
  let text = ''
  for await (const chunk of multipartBody(entries, 'BOUNDARY').chunks()) text += new TextDecoder().decode(chunk)
  return text
}

test('a part per entry, names escaped as the reference does', async () => {
  assert.equal(await textOf(() => entriesOf(
    { name: 'dir', kind: 'directory', content: chunksOf() },
    { name: 'dir/ü x+&.txt', kind: 'file', content: chunksOf('he', 'llo\n') },
    { name: 'dir/link', kind: 'symlink', content: chunksOf('../target') },
    { name: 'web', kind: 'file', content: chunksOf('x'), location: 'http://host/a b' },
  )), [
    '--BOUNDARY', 'Content-Disposition: form-data; name="file"; filename="dir"', 'Content-Type: application/x-directory', '', '',
    '--BOUNDARY', 'Content-Disposition: form-data; name="file"; filename="dir%2F%C3%BC+x%2B%26.txt"', 'Content-Type: application/octet-stream', '', 'hello\n',
    '--BOUNDARY', 'Content-Disposition: form-data; name="file"; filename="dir%2Flink"', 'Content-Type: application/symlink', '', '../target',
    '--BOUNDARY', 'Abspath-Encoded: http%3A%2F%2Fhost%2Fa+b', 'Content-Disposition: form-data; name="file"; filename="web"', 'Content-Type: application/octet-stream', '', 'x',
    '--BOUNDARY--', '',
  ].join('\r\n'))
})

test('no entries', async () => {
  assert.equal(await textOf(() => entriesOf()), '--BOUNDARY--\r\n')
})

test('small pieces go together, large ones as they are', async () => {
  const large = new Uint8Array(300_000).fill(7)
  const entries = (): AsyncIterable<UploadEntry> => entriesOf(
    ...Array.from({ length: 1000 }, (_, i): UploadEntry => ({ name: `${i}`, kind: 'file', content: chunksOf('x'.repeat(100)) })),
    { name: 'large', kind: 'file', content: (async function * () { yield large })() },
  )
  const chunks = await Array.fromAsync(multipartBody(entries, 'BOUNDARY').chunks())
  assert.ok(chunks.includes(large))
  assert.ok(chunks.length < 10)
})

test('nothing is asked for before it is sent', async () => {
  let asked = 0
  const entries = async function * (): AsyncGenerator<UploadEntry> {
    for (;;) {
      asked++
      yield { name: 'x', kind: 'file', content: (async function * () { yield new Uint8Array(100_000) })() }
    }
  }
  const chunks = multipartBody(entries, 'BOUNDARY').chunks()[Symbol.asyncIterator]()
  for (let i = 0; i < 6; i++) await chunks.next()
  await chunks.return?.()
  assert.ok(asked <= 4)
})

test('a body can be made more than once', async () => {
  const body = multipartBody(() => entriesOf({ name: 'a', kind: 'file', content: chunksOf('x') }), 'BOUNDARY')
  assert.deepEqual(await Array.fromAsync(body.chunks()), await Array.fromAsync(body.chunks()))
})
