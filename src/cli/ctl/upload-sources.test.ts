import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { uploadSource, type UploadOptions } from './upload-sources.ts'

const folder = await mkdtemp(join(tmpdir(), 'flotilla-upload-'))
after(() => rm(folder, { recursive: true, force: true }))
await mkdir(join(folder, 'dir', 'sub'), { recursive: true })
await mkdir(join(folder, 'dir', 'empty'))
await writeFile(join(folder, 'dir', 'b.txt'), 'b')
await writeFile(join(folder, 'dir', 'B.txt'), 'B')
await writeFile(join(folder, 'dir', 'é.txt'), '')
await writeFile(join(folder, 'dir', '.hidden'), 'h')
await writeFile(join(folder, 'dir', 'sub', '.also'), 'h')
await symlink('../b.txt', join(folder, 'dir', 'link'))

const plain: UploadOptions = { recursive: true, hidden: false, noCopy: false, environment: {} }

/** What an argument becomes: `name kind bytes`. */
async function listed (path: string, options: Partial<UploadOptions> = {}): Promise<string[]> {
  const lines: string[] = []
  const source = await uploadSource(path, { ...plain, ...options })
  for await (const { name, kind, content } of source.entries()) {
    let bytes = 0
    for await (const chunk of content) bytes += chunk.length
    lines.push(`${name} ${kind} ${bytes}`)
  }
  return lines
}

test('folders come first, names in the order of their bytes, hidden ones when asked for, links as links', async () => {
  assert.deepEqual(await listed(join(folder, 'dir')),
    ['dir directory 0', 'dir/B.txt file 1', 'dir/b.txt file 1', 'dir/empty directory 0', 'dir/link symlink 8', 'dir/sub directory 0', 'dir/é.txt file 0'])
  assert.deepEqual(await listed(join(folder, 'dir', 'sub'), { hidden: true }), ['sub directory 0', 'sub/.also file 1'])
})

test('a hidden file that is named is added, and so is a link', async () => {
  assert.deepEqual(await listed(join(folder, 'dir', '.hidden')), ['.hidden file 1'])
  assert.deepEqual(await listed(join(folder, 'dir', 'link')), ['link symlink 8'])
})

test('the name is the last part of the path, whatever its form', async () => {
  assert.equal((await listed(`${folder}/dir//sub/`))[0], 'sub directory 0')
  assert.equal((await listed(`${folder}/dir/empty/..`))[0], 'dir directory 0')
})

test('files of every size are read whole', async () => {
  const path = join(folder, 'sized')
  for (const size of [0, 1, 65_535, 65_536, 65_537, 1024 * 1024, 3 * 1024 * 1024 + 1]) {
    await writeFile(path, '')
    await truncate(path, size)
    assert.deepEqual(await listed(path), [`sized file ${size}`])
    assert.equal(await (await uploadSource(path, plain)).sizeBytes(), size)
  }
})

test('a file may grow and shrink after it was looked at', async () => {
  const path = join(folder, 'changing')
  await writeFile(path, 'x')
  const source = await uploadSource(path, plain)
  for (const size of [200_000, 0]) {
    await truncate(path, size)
    let bytes = 0
    for await (const { content } of source.entries()) for await (const chunk of content) bytes += chunk.length
    assert.equal(bytes, size)
  }
})

test('what cannot be added is told in the words of the reference', async () => {
  await assert.rejects(listed(`${folder}/nosuch`), { message: `lstat ${folder}/nosuch: no such file or directory` })
  await assert.rejects(listed(`${folder}/dir/b.txt/x`), { message: `lstat ${folder}/dir/b.txt/x: not a directory` })
  await assert.rejects(listed(`${folder}/dir/`, { recursive: false }), { message: `${folder}/dir is a directory, but Recursive option is not set` })
  await assert.rejects(listed(`${folder}/dir`, { noCopy: true }), { message: 'nocopy option is only valid for URLs' })
  await assert.rejects(listed('/dev/null'), { message: 'unrecognized file type for /dev/null: Dcrw-rw-rw-' })
})

test('a file that vanished while the folder was sent', async () => {
  await mkdir(join(folder, 'moving'))
  await writeFile(join(folder, 'moving', 'a'), 'a')
  await writeFile(join(folder, 'moving', 'b'), 'b')
  const source = await uploadSource(join(folder, 'moving'), plain)
  await assert.rejects(async () => {
    for await (const { name, content } of source.entries()) {
      if (name === 'moving/a') await rm(join(folder, 'moving', 'b'))
      for await (const chunk of content) assert.ok(chunk.length > 0)
    }
  }, { message: `lstat ${folder}/moving/b: no such file or directory` })
})

test('a URL is fetched when it is read', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const nobody = `127.0.0.1:${(closed.address() as AddressInfo).port}`
  closed.close()
  const server = createServer((request, response) => {
    if (request.headers['user-agent'] === undefined) response.writeHead(403).end()
    else if (request.url === '/moved') response.writeHead(302, { location: '/a%20b.txt?x=1' }).end()
    else if (request.url === '/missing') response.writeHead(404).end()
    else if (request.url === '/elsewhere') response.writeHead(302, { location: 'ftp://x/y' }).end()
    else if (request.url?.startsWith('/often') === true) response.writeHead(303, { location: `${request.url}x` }).end('moved on')
    else if (request.url === '/zipped') response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('content'))
    else if (request.url === '/cut') response.writeHead(200, { 'content-length': 100 }).write('part', () => { response.destroy() })
    else if (request.url === '/private' && request.headers.authorization !== `Basic ${btoa('me:secret')}`) response.writeHead(401).end()
    else response.end('content')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    assert.deepEqual(await listed(`${base}/a%20b.txt?x=1`), ['a b.txt file 7'])
    assert.deepEqual(await listed(`${base}/moved`), ['moved file 7'])
    const [entry] = await Array.fromAsync((await uploadSource(`${base}/x y`, { ...plain, noCopy: true })).entries())
    assert.equal(entry?.location, `${base}/x%20y`)
    await assert.rejects(listed(`${base}/missing`), { message: `got non-2XX status code 404: ${base}/missing` })
    assert.deepEqual(await listed(`${base}/zipped`), ['zipped file 7'])
    const withName = base.replace('//', '//me:secret@')
    assert.deepEqual(await listed(`${withName}/private`), ['private file 7'])
    await assert.rejects(listed(`${withName}/missing`), { message: `got non-2XX status code 404: ${base.replace('//', '//me:***@')}/missing` })
    await assert.rejects(listed(`${base}/elsewhere`), { message: 'Get "ftp://x/y": unsupported protocol scheme "ftp"' })
    await assert.rejects(listed(`${base}/often`), { message: `Get "${base}/often${'x'.repeat(10)}": stopped after 10 redirects` })
    await assert.rejects(listed(`${base}/cut`), { message: 'unexpected EOF' })
    // The server takes for a proxy whoever asks for something elsewhere.
    assert.deepEqual(await listed('http://files.invalid/x', { environment: { HTTP_PROXY: base } }), ['x file 7'])
    await assert.rejects(listed('http://files.invalid/x'), { message: /^Get "http:\/\/files\.invalid\/x": dial tcp: lookup files\.invalid/ })
  } finally {
    server.close()
    server.closeAllConnections()
  }
  await assert.rejects(listed(`http://${nobody}/x`), { message: `Get "http://${nobody}/x": dial tcp ${nobody}: connect: connection refused` })
})
