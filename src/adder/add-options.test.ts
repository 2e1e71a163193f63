import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addOptionsFromQuery } from './add-options.ts'

function options (query: Record<string, string> = {}): ReturnType<typeof addOptionsFromQuery> {
  return addOptionsFromQuery(new Map(Object.entries(query)), 0)
}

function refuses (query: Record<string, string>, message: string): void {
  assert.throws(() => options(query), { code: 'INVALID_INPUT', message })
}

test('nothing given means the defaults of the contract', () => {
  const { pin, ...rest } = options()
  assert.deepEqual(rest, {
    layout: 'balanced', format: 'unixfs', chunker: 'size-262144', hash: 'sha2-256', cidVersion: 0, rawLeaves: false, streamChannels: true,
    local: false, recursive: false, hidden: false, wrap: false, shard: false, progress: false, nocopy: false, noPin: false,
  })
  assert.equal(pin.mode, 'recursive')
  assert.equal(pin.shardSize, 0)
  assert.deepEqual(options({ layout: '', chunker: '', hash: '', format: '', local: '', 'cid-version': '', 'raw-leaves': '' }), options())
})

test('what is given is read', () => {
  const read = options({
    layout: 'trickle', format: 'car', chunker: 'rabin', hash: 'blake3', 'cid-version': '+1', 'raw-leaves': 'F', 'stream-channels': '0',
    local: '1', recursive: 't', hidden: 'T', 'wrap-with-directory': 'TRUE', shard: 'true', progress: 'True', nocopy: '1', 'no-pin': '1', name: 'n', 'shard-size': '5',
  })
  const { pin, ...rest } = read
  assert.deepEqual(rest, {
    layout: 'trickle', format: 'car', chunker: 'rabin', hash: 'blake3', cidVersion: 1, rawLeaves: false, streamChannels: false,
    local: true, recursive: true, hidden: true, wrap: true, shard: true, progress: true, nocopy: true, noPin: true,
  })
  assert.equal(pin.name, 'n')
  assert.equal(pin.shardSize, 5)
})

test('raw leaves follow the CID version unless they are given', () => {
  assert.equal(options({ 'cid-version': '1' }).rawLeaves, true)
  assert.equal(options({ 'cid-version': '7' }).rawLeaves, true)
  assert.equal(options({ 'cid-version': '0' }).rawLeaves, false)
  assert.equal(options({ 'cid-version': '0', 'raw-leaves': 'true' }).rawLeaves, true)
})

test('mode and pin-update mean nothing here', () => {
  const { pin } = options({ mode: 'direct', 'pin-update': 'QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o' })
  assert.equal(pin.mode, 'recursive')
  assert.equal(pin.pinUpdate, undefined)
})

test('the first fault in the order of the contract is told', () => {
  const bad: Array<[string, string, string]> = [
    ['replication-min', 'x', 'parameter replication-min invalid'],
    ['layout', 'x', 'layout parameter is invalid'],
    ['format', 'x', 'format parameter is invalid'],
    ...['local', 'recursive', 'hidden', 'wrap-with-directory', 'shard', 'progress'].map((key): [string, string, string] => [key, 'yes', `parameter ${key} invalid`]),
    ['cid-version', '1.0', 'parameter cid-version invalid'],
    ...['raw-leaves', 'stream-channels', 'nocopy', 'no-pin'].map((key): [string, string, string] => [key, 'tRUE', `parameter ${key} invalid`]),
  ]
  for (let from = 0; from < bad.length; from++) {
    const [, , message] = bad[from] as [string, string, string]
    refuses(Object.fromEntries(bad.slice(from).toReversed()), message)
  }
})
