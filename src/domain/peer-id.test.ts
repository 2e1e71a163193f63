import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePeerId } from './peer-id.ts'

const peer = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn'

test('a peer ID is read from base58 and from a CID in any base', () => {
  for (const text of [peer, 'k51qzi5uqu5dlio94vive4hso0cgck7vhg9nruvlmwgpgtttxggqrevqtvmeld', 'bafzaajaiaejcbvqudn4lrq4vgwn43rrnzjtc364a3rx2xfyv5vkbqekbmk47uztb']) assert.equal(parsePeerId(text), peer)
})

test('what is none is refused with what is wrong with it', () => {
  for (const [text, message] of [
    ['', 'invalid cid: cid too short'],
    ['x', 'invalid cid: cid too short'],
    ['notapeer', 'invalid cid: selected encoding not supported'],
    ['1', 'not the multihash of a public key'],
    ['bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku', 'can\'t convert CID of another type to a peer ID'],
  ] as const) assert.throws(() => parsePeerId(text), { code: 'INVALID_PEER_ID', message: `failed to parse peer ID: ${message}` })
})
