import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boolean, integer, text } from './scalars.ts'
import { field, message, type Fields } from './schema.ts'

interface Sample { readonly name: string, readonly count: number }

const fields: Fields<Sample> = {
  name: field(text, { json: 'name', msgpack: 'n?', describe: 'A name.' }),
  count: field(integer(), { json: 'count?', msgpack: 'c?', describe: 'A count.' }),
}

// @ts-expect-error a field of another type than the domain's
export const wrongType: Fields<Sample> = { ...fields, count: field(boolean, { json: 'count', msgpack: 'c', describe: '' }) }
// @ts-expect-error a field that the schema lacks
export const missing: Fields<Sample> = { name: fields.name }

test('a schema writes its fields in order and leaves out what it may', () => {
  const codec = message<Sample>('Sample', fields)
  assert.equal(codec.encodeJson({ name: 'a', count: 2 }), '{"name":"a","count":2}')
  assert.equal(codec.encodeJson({ name: '', count: 0 }), '{"name":""}')
  assert.equal(Buffer.from(codec.encodeMsgpack({ name: '', count: 2 })).toString('hex'), '81a16302')
})

test('a schema ignores what it does not know, and takes null as absent', () => {
  const codec = message<Sample>('Sample', fields)
  assert.deepEqual(codec.decodeJson({ name: null, other: { deep: [] } }), { name: '', count: 0 })
  assert.deepEqual(codec.decodeMsgpack(Buffer.from('83a16ec0a17a9281a16100c0a16305', 'hex')), { name: '', count: 5 })
})

test('a schema describes itself', () => {
  assert.deepEqual(message<Sample>('Sample', fields).jsonSchema, {
    type: 'object',
    properties: { name: { type: 'string', description: 'A name.' }, count: { type: 'integer', format: 'int64', description: 'A count.' } },
    required: ['name'],
  })
})
