import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ClusterError } from '../domain/errors.ts'
import { defaultUploadLimits, readUpload, type UploadLimits } from './multipart.ts'
import { generatedContent, multipartBody, multipartType, pieces, type FixtureEntry } from './uploads.fixture.ts'

interface Seen { readonly path: string, readonly kind: string, readonly absolutePath: string | undefined, readonly content: Buffer }

async function read (body: Uint8Array | string, options: { type?: string, limits?: Partial<UploadLimits>, pieceBytes?: number } = {}): Promise<Seen[]> {
  const stream = pieces(Buffer.from(body), options.pieceBytes ?? 65536)
  const seen: Seen[] = []
  for await (const { path, kind, absolutePath, content } of readUpload(stream, options.type ?? multipartType, { ...defaultUploadLimits, ...options.limits })) {
    seen.push({ path, kind, absolutePath, content: Buffer.concat(await Array.fromAsync(content)) })
  }
  return seen
}

function part (headers: string, content = 'x'): string {
  return `--bound\r\n${headers}\r\n\r\n${content}\r\n`
}

function named (rawName: string): string {
  return part(`Content-Disposition: form-data; name="file"; filename="${rawName}"`)
}

const end = '--bound--\r\n'

function refusal (code: string, message: string | RegExp): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof ClusterError, String(error))
    assert.equal(error.code, code)
    if (typeof message === 'string') assert.equal(error.message, message)
    else assert.match(error.message, message)
    return true
  }
}

describe('what an upload says', () => {
  test('files, folders and links come in order with their content', async () => {
    const entries: FixtureEntry[] = [
      { path: 'dir', kind: 'directory' },
      { path: 'dir/a b+%é', content: 'one', absolutePath: '/home/me/a' },
      { path: 'dir/link', kind: 'symlink', content: 'a b' },
      { path: 'empty' },
    ]
    assert.deepEqual(await read(multipartBody(entries)), entries.map(({ path, kind = 'file', content = '', absolutePath }) => ({ path, kind, absolutePath, content: Buffer.from(content) })))
  })

  test('content is what was sent, however the body is cut and whatever looks like a boundary in it', async () => {
    const nearBoundary = fc.constantFrom('\r', '\n', '\r\n', '-', '--', '--bound', '\r\n--bound', '\r\n--boundX', '\r\n--bound-', '\n--bound\r\n', '\r\n--boun', 'a', '\0')
    const content = fc.array(nearBoundary, { maxLength: 12 }).map(parts => parts.join('')).filter(text => !/(^|\r\n)--bound(\r|\n|--| |\t)/.test(`${text}\r\n`) && !text.endsWith('\r\n--bound'))
    await fc.assert(fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 40 }), async (contents, pieceBytes) => {
      const body = multipartBody(contents.map((content, i) => ({ path: `f${i}`, content })))
      const seen = await read(body, { pieceBytes })
      assert.deepEqual(seen.map(({ content }) => content.toString()), contents)
    }), { numRuns: 400 })
  })

  test('an entry that is not read is passed over', async () => {
    const body = multipartBody([{ path: 'a', content: generatedContent(1, 300000) }, { path: 'b', content: 'b' }])
    const paths: string[] = []
    for await (const { path } of readUpload(pieces(body, 1000), multipartType)) paths.push(path)
    assert.deepEqual(paths, ['a', 'b'])
  })

  test('names are unescaped as in a query, and as they are when that fails', async () => {
    const body = [named('a+b%2b'), named('a+b%zz'), named('f%C3%A9'), end].join('')
    assert.deepEqual((await read(body)).map(({ path }) => path), ['a b+', 'a+b%zz', 'fé'])
    assert.equal((await read(`${named('é')}${end}`))[0]?.path, 'é')
    assert.equal((await read(`${part('Content-Disposition: form-data; filename*=utf-8\'\'%e2%82%ac')}${end}`))[0]?.path, '€')
    assert.deepEqual((await read([named('é+%c3%A9'), named('é%2'), named('\ufeffbyte order'), end].join(''))).map(({ path }) => path), ['é é', 'é%2', '\ufeffbyte order'])
  })

  test('quotes and backslashes in a name may be escaped, other backslashes stay', async () => {
    assert.deepEqual((await read([named('a\\"b\\\\c'), named('C:\\dir\\file'), end].join(''))).map(({ path }) => path), ['a"b\\c', 'C:\\dir\\file'])
  })

  test('of a name that is given twice the first counts, unless one says its encoding', async () => {
    const twice = (parameters: string): string => part(`Content-Disposition: form-data; ${parameters}`)
    assert.deepEqual((await read([twice('filename="a"; filename="b"'), twice('filename="a"; filename*=utf-8\'\'%c3%a9'), twice('filename*=utf-8\'\'%c3%a9; FileName=b'), end].join(''))).map(({ path }) => path), ['a', 'é', 'é'])
  })

  test('where a file is on the sender\'s disk may be escaped, and is what is escaped where both are there', async () => {
    const placed = (headers: string): string => part(`Content-Disposition: form-data; filename="a"\r\n${headers}`)
    const seen = await read([placed('Abspath: /a%20b'), placed('Abspath-Encoded: %2Fa+b%C3%A9\r\nAbspath: /other'), placed('Abspath-Encoded: \r\nAbspath: /plain'), placed('Abspath: '), end].join(''))
    assert.deepEqual(seen.map(({ absolutePath }) => absolutePath), ['/a%20b', '/a bé', '/plain', undefined])
  })

  test('names never leave the folder', async () => {
    for (const [name, path] of [['../../b', 'b'], ['/etc/passwd', 'etc/passwd'], ['a/../../b', 'b'], ['a//b/./c/', 'a/b/c'], ['%2e%2e%2fx', 'x'], ['', ''], ['..', '']] as const) {
      assert.equal((await read(`${named(name)}${end}`))[0]?.path, path)
    }
  })

  test('text before the first boundary, bare line ends and folded headers are taken', async () => {
    assert.equal((await read(`hello\r\n--boundX\r\n${named('a')}${end}`))[0]?.path, 'a')
    assert.equal((await read('--bound\nContent-Disposition: form-data;\n filename="a"\n\nabc\n--bound--\n'))[0]?.content.toString(), 'abc')
    assert.equal((await read(`--bound  \r\nContent-Disposition: form-data; filename="a"\r\n\r\n--bound--`))[0]?.content.length, 0)
    assert.deepEqual(await read(end), [])
  })

  test('the boundary may be quoted', async () => {
    assert.equal((await read(`${named('a')}${end}`, { type: 'multipart/form-data; charset=utf-8; boundary="bound"' })).length, 1)
  })
})

describe('what is refused', () => {
  test('other content types, before anything is read', () => {
    const never = (async function * (): AsyncGenerator<Uint8Array> { assert.fail('was read') })()
    assert.throws(() => readUpload(never, 'text/plain'), refusal('INVALID_INPUT', 'request Content-Type isn\'t multipart/form-data'))
    assert.throws(() => readUpload(never, 'multipart/form-data'), refusal('INVALID_INPUT', 'no multipart boundary param in Content-Type'))
    assert.throws(() => readUpload(never, `multipart/form-data; boundary=${'b'.repeat(300)}`), refusal('INVALID_INPUT', /boundary is longer/))
  })

  test('a body without any part', async () => {
    await assert.rejects(readUpload(pieces(Buffer.from(end), 3), multipartType).begin(), refusal('INVALID_INPUT', /has no file/))
    for (const body of ['', 'garbage', '--boun']) await assert.rejects(readUpload(pieces(Buffer.from(body), 3), multipartType).begin(), refusal('INVALID_INPUT', 'multipart: NextPart: EOF'))
  })

  test('begin keeps the first entry', async () => {
    const upload = readUpload(pieces(multipartBody([{ path: 'a', content: 'x' }]), 10), multipartType)
    await upload.begin()
    assert.deepEqual((await Array.fromAsync(upload)).map(({ path }) => path), ['a'])
  })

  test('a body that is cut off anywhere gives what came, then the error', async () => {
    const whole = multipartBody([{ path: 'f', content: 'some content' }])
    for (let length = 0; length < whole.length - '\r\n'.length; length++) {
      const seen: string[] = []
      await assert.rejects(async () => {
        for await (const { content } of readUpload(pieces(whole.subarray(0, length), 7), multipartType)) seen.push(Buffer.concat(await Array.fromAsync(content)).toString())
      }, (error: unknown) => error instanceof ClusterError && /^multipart: NextPart: EOF$|^malformed MIME header/.test(error.message), `cut at ${length}`)
      assert.ok(seen.every(text => 'some content\r\n--bound-'.startsWith(text)), seen.join())
    }
  })

  test('headers that make no sense', async () => {
    await assert.rejects(read(`${part('foo')}${end}`), refusal('INVALID_INPUT', 'malformed MIME header: missing colon: "foo"'))
    await assert.rejects(read(`${part('Content-Type: /;;')}${end}`), refusal('INVALID_INPUT', 'mime: no media type'))
    await assert.rejects(read(`${part('Content-Transfer-Encoding: base64')}${end}`), refusal('INVALID_INPUT', /base64 is not supported/))
    await assert.rejects(read(`${named('a')}--bound x\r\n`), refusal('INVALID_INPUT', 'multipart: expecting a new Part; got line " x\\r\\n"'))
    await assert.rejects(read(`${named('%ff')}${end}`), refusal('INVALID_INPUT', /not UTF-8/))
    await assert.rejects(read(`${named('é%ff')}${end}`), refusal('INVALID_INPUT', /a file name is not UTF-8/))
    await assert.rejects(read(Buffer.from(`${named('\xff%')}${end}`, 'latin1')), refusal('INVALID_INPUT', /a file name is not UTF-8/))
    await assert.rejects(read(`${part('Abspath-Encoded: %ff')}${end}`), refusal('INVALID_INPUT', /an? abspath is not UTF-8/))
    await assert.rejects(read(`${named('a%00b')}${end}`), refusal('INVALID_INPUT', /NUL/))
  })

  test('too much of anything', async () => {
    await assert.rejects(read(`${part(`X: ${'x'.repeat(70000)}`)}${end}`), refusal('TOO_LARGE', /headers/))
    await assert.rejects(read(`--bound\r\n${'x: y\r\n'.repeat(40)}\r\n${end}`), refusal('TOO_LARGE', /headers/))
    await assert.rejects(read(`--bound${' '.repeat(2000)}\r\n`), refusal('TOO_LARGE', /headers/))
    await assert.rejects(read(`${named('a'.repeat(5000))}${end}`), refusal('INVALID_INPUT', /longer than 4096 bytes/))
    await assert.rejects(read(`${named('a/'.repeat(300))}${end}`), refusal('INVALID_INPUT', /more than 256 folders/))
    await assert.rejects(read(`${named('a').repeat(3)}${end}`, { limits: { maxParts: 2 } }), refusal('TOO_LARGE', /more than 2 files/))
  })

  test('hostile bytes end in an error of ours or in entries, always', async () => {
    const piece = fc.constantFrom('--bound', '\r\n', '\n', '--', ':', 'Content-Type: multipart/form-data', 'Content-Disposition: form-data; filename="', '"', '\\', '%', ';', '=', 'x', '\xff')
    await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 9 }), async (parts, pieceBytes) => {
      try {
        await read(Buffer.from(parts.join(''), 'latin1'), { pieceBytes })
      } catch (error) {
        assert.ok(error instanceof ClusterError, String(error))
      }
    }), { numRuns: 1000 })
  })
})

describe('the sender', () => {
  test('is asked for no more than is read', async () => {
    let sent = 0
    async function * stream (): AsyncGenerator<Uint8Array> {
      yield Buffer.from(named('big').slice(0, -3))
      for (;;) {
        sent++
        yield Buffer.alloc(1000)
      }
    }
    for await (const { content } of readUpload(stream(), multipartType)) {
      const iterator = content[Symbol.asyncIterator]()
      for (let i = 0; i < 5; i++) await iterator.next()
      break
    }
    assert.ok(sent <= 6, `${sent} pieces were asked for`)
  })

  test('that goes away in the middle is told from one that sent nonsense', async () => {
    const outcome = Promise.withResolvers<unknown>()
    const server = createServer((request, response) => {
      outcome.resolve((async () => {
        for await (const { content } of readUpload(request, request.headers['content-type'] ?? '')) {
          for await (const _ of content) sender.destroy()
        }
      })().catch((error: unknown) => error).finally(() => response.destroy()))
    })
    await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
    const { port } = server.address() as AddressInfo
    const sender = httpRequest({ host: '127.0.0.1', port, method: 'POST', headers: { 'content-type': multipartType } })
    sender.on('error', () => {})
    sender.write(named('a').slice(0, -2))
    const error = await outcome.promise
    server.close()
    refusal('CANCELLED', /went away/)(error)
  })

  test('can have the memory of large pieces back', async () => {
    const content = generatedContent(1, 3_000_000)
    const outcome = Promise.withResolvers<{ got: Buffer, large: number, freed: number }>()
    const server = createServer((request, response) => {
      outcome.resolve((async () => {
        const copies: Buffer[] = []
        let [large, freed] = [0, 0]
        for await (const { content, release } of readUpload(request, request.headers['content-type'] ?? '')) {
          for await (const piece of content) {
            copies.push(Buffer.from(piece))
            if (piece.length < 65_536) continue
            large++
            release?.(piece)
            if (piece.length === 0) freed++
          }
        }
        return { got: Buffer.concat(copies), large, freed }
      })().finally(() => response.end()))
    })
    await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
    const { port } = server.address() as AddressInfo
    const body = multipartBody([{ path: 'f', content }])
    httpRequest({ host: '127.0.0.1', port, method: 'POST', agent: false, headers: { 'content-type': multipartType, 'content-length': body.length } }).end(body)
    const { got, large, freed } = await outcome.promise
    server.close()
    assert.ok(got.equals(content))
    assert.ok(freed > large / 2, `${freed} of ${large} large pieces were freed`)
  })

  test('keeps what it handed over itself', async () => {
    const body = multipartBody([{ path: 'f', content: generatedContent(1, 100_000) }])
    for await (const { content, release } of readUpload(pieces(body, body.length), multipartType)) {
      for await (const piece of content) release?.(piece)
    }
    assert.ok(body.length > 100_000)
  })

  test('is answered although the upload was refused before its end', async () => {
    const server = createServer((request, response) => {
      Array.fromAsync(readUpload(request, request.headers['content-type'] ?? '')).catch((error: unknown) => { response.end(String(error)) })
    })
    await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
    const { port } = server.address() as AddressInfo
    const sender = httpRequest({ host: '127.0.0.1', port, method: 'POST', headers: { 'content-type': multipartType } })
    sender.write(part('foo'))
    const [answer] = await once(sender, 'response') as [IncomingMessage]
    assert.match(Buffer.concat(await Array.fromAsync(answer)).toString(), /malformed MIME header/)
    sender.destroy()
    server.close()
  })
})
