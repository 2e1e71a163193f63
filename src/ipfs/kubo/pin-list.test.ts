import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base36 } from 'multiformats/bases/base36'
import fc from 'fast-check'
import { cidFromBytes, cidToBytes, type Cid } from '../../domain/cid.ts'
import type { IpfsPin } from '../connector.ts'
import { pinLines } from './pin-list.ts'

const anyCid = fc.tuple(fc.constantFrom([], [1, 0x55], [1, 0x70]), fc.uint8Array({ minLength: 32, maxLength: 32 }))
  .map(([prefix, digest]) => cidFromBytes(Uint8Array.from([...prefix, 0x12, 0x20, ...digest])))
const anyPin = fc.tuple(anyCid, fc.constantFrom('recursive', 'direct')).map(([cid, type]): IpfsPin => ({ cid, type }))

function read (pieces: Iterable<Buffer>): IpfsPin[] {
  const pins: IpfsPin[] = []
  const lines = pinLines('pin/ls', pin => { pins.push(pin) })
  for (const piece of pieces) lines.push(piece)
  lines.end()
  return pins
}

/** The same pin in forms that other nodes and versions write. */
const forms: ReadonlyArray<(pin: IpfsPin) => string> = [
  ({ cid, type }) => `{"Cid":"${cid}","Type":"${type}"}`,
  ({ cid, type }) => `{"Cid":"${cid}","Type":"${type}","Name":"a \\"name\\""}`,
  ({ cid, type }) => JSON.stringify({ Type: type, Name: 'ü', Cid: cid }),
  ({ cid, type }) => ` { "Cid" : "${cid}", "Type" : "${type}" } `,
  ({ cid, type }) => cid.startsWith('b') ? `{"Cid":"${base36.encode(cidToBytes(cid))}","Type":"${type}"}` : `{"Cid":"${cid}","Type":"${type}"}`,
]

test('pins are read from lines in any form, cut anywhere', () => {
  fc.assert(fc.property(fc.array(fc.tuple(anyPin, fc.constantFrom(...forms)), { maxLength: 12 }), fc.array(fc.nat(2_000), { maxLength: 8 }), fc.boolean(), (items, cuts, endsWithLineFeed) => {
    const bytes = Buffer.from(items.map(([pin, form]) => form(pin)).join('\n') + (endsWithLineFeed ? '\n' : ''))
    const borders = [0, ...cuts.map(cut => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length]
    const pieces = borders.slice(1).map((end, i) => bytes.subarray(borders[i], end))
    assert.deepEqual(read(pieces), items.map(([pin]) => pin))
  }))
})

test('other kinds of pin are left out, other lines refused', () => {
  const cid = cidFromBytes(Uint8Array.from([1, 0x55, 0x12, 0x20, ...new Uint8Array(32)])) as Cid
  assert.deepEqual(read([Buffer.from(`{"Cid":"${cid}","Type":"indirect through x"}\n`)]), [])
  for (const line of ['{"Cid":"notacid","Type":"recursive"}', `{"Cid":"${cid}"}`, '[]', 'null', '{"Cid":"', `{"Cid":"${cid}!","Type":"direct"}`]) {
    assert.throws(() => read([Buffer.from(`${line}\n`)]), { code: 'IPFS_UNREACHABLE' }, line)
  }
  assert.throws(() => read([Buffer.from('{"Message":"gone","Code":0,"Type":"error"}\n')]), { code: 'IPFS_ANSWER', message: 'IPFS error (pin/ls). Code: 500. Message: gone' })
})
