import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseCid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../domain/pin.ts'
import { exportedPin, readExport } from './state-export.ts'

const cid = parseCid('QmU6gJLzou116aQFoUzRmvEkdnoDgECia5C5vAM2ac1nRM')
const pin = fc.record({ name: fc.string(), metadata: fc.oneof(fc.constant(null), fc.dictionary(fc.string(), fc.string())), min: fc.integer({ min: -1, max: 9 }) })
  .map(({ name, metadata, min }) => pinWithOptions(cid, { ...defaultPinOptions, name, metadata, replicationFactorMin: min, origins: [] }, 1_795_494_848_000))

async function read (text: string | Uint8Array, chunkBytes: number): Promise<Pin[]> {
  const bytes = Buffer.from(text)
  const chunks = (async function * () {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
  })()
  return (await Array.fromAsync(readExport(chunks))).flat()
}

test('what was written is read, however it is cut and spaced', async () => {
  await fc.assert(fc.asyncProperty(fc.array(pin, { maxLength: 8 }), fc.integer({ min: 1, max: 4000 }), fc.constantFrom('', '\n', ' \r\n\t'), async (pins, chunkBytes, between) => {
    const text = pins.map(pin => exportedPin(pin).trimEnd()).join(between)
    assert.deepEqual((await read(text, chunkBytes)).map(exportedPin), pins.map(exportedPin))
  }))
})

test('an export of many pins is read in steps', async () => {
  const one = exportedPin(pinWithOptions(cid, defaultPinOptions, 0))
  const steps = await Array.fromAsync(readExport((async function * () { yield Buffer.from(one.repeat(1201)) })()))
  assert.deepEqual(steps.map(step => step.length), [500, 500, 201])
})

test('any bytes are refused or read, and memory is bounded', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array(), async bytes => {
    await read(bytes, 3).catch((error: unknown) => { assert.ok(error instanceof ClusterError && error.code === 'INVALID_INPUT', String(error)) })
  }))
  await assert.rejects(read(`{"name":"${'x'.repeat(5 * 2 ** 20)}"}`, 65_536), { code: 'INVALID_INPUT', message: 'a pin of more than 4194304 bytes' })
})
