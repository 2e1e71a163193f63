import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { consensusOf, datastoreOf } from '../../src/config/configuration.ts'
import { createConfiguration, withPeers } from '../../src/config/create.ts'
import { configurationToJson, loadConfiguration, saveConfiguration } from '../../src/config/file.ts'
import { loadIdentity } from '../../src/config/identity.ts'
import { formatJsonText } from '../../src/config/json-text.ts'
import { peersOfAddresses } from '../../src/config/peerstore.ts'
import { errorText } from '../../src/domain/errors.ts'
import { parseMultiaddress } from '../../src/domain/multiaddress.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { missingGolden, readGolden } from './golden.ts'

interface InitRecording {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly files: Readonly<Record<string, { readonly text: string } | null>>
}

interface LoadRecording {
  readonly id: string
  readonly base: string
  readonly change: string | null | { readonly op: 'set' | 'delete', readonly path: string, readonly value?: unknown }
  readonly raw: string | null
  readonly stderr: readonly string[]
  readonly accepted: boolean
}

type Json = Record<string, unknown>

const skip = missingGolden('config')
const inits = readGolden<InitRecording>('config', 'init-')
const loads = [...readGolden<LoadRecording[]>('config', 'invalid').values()].flat()

const folder = mkdtempSync(join(tmpdir(), 'config-'))
process.on('exit', () => { rmSync(folder, { recursive: true, force: true }) })

const initText = (name: string): string => inits.get(name)?.files['service.json']?.text as string
const initJson = (name: string): Json => JSON.parse(initText(name)) as Json

for (const [name, recording] of inits) {
  const text = recording.files['service.json']?.text
  if (text === undefined) continue

  test(`${name}: what init wrote is accepted, and written again as it was`, async () => {
    const own = join(folder, name)
    mkdirSync(own, { recursive: true })
    writeFileSync(join(own, 'service.json'), text)
    if (text.includes('"source"')) return
    const configuration = await loadConfiguration(own, { environment: {}, warn: message => { assert.fail(message) } })
    saveConfiguration(configuration)
    assert.equal(readFileSync(join(own, 'service.json'), 'utf8'), text)
  })

  // The ports are random, and so is what asks for a secret: both belong to the command.
  if (/randomports|custom-secret/.test(name)) continue
  test(`${name}: we write the same`, async () => {
    const flag = (word: string): string | undefined => recording.argv.includes(word) ? recording.argv[recording.argv.indexOf(word) + 1] : undefined
    const source = recording.argv.at(-1) as string
    const created = await createConfiguration({
      folder,
      random: systemRandom,
      environment: recording.env,
      warn: message => { assert.fail(message) },
      consensus: (flag('--consensus') ?? 'crdt') as 'crdt',
      datastore: (flag('--datastore') ?? 'pebble') as 'pebble',
      source: text.includes('"source"') ? source : '',
    })
    const peers = flag('--peers')?.split(',').map(address => parseMultiaddress(address.trim()))
    const configuration = peers === undefined ? created : withPeers(created, peersOfAddresses(peers))
    assert.equal(formatJsonText(configuration.source === '' ? configurationToJson(configuration) : { source }, 2), text)
  })
}

/**
 * Where our words differ. All of them are errors of a JSON type, which the contract wants to be
 * alike in kind only: ours name the section and the key and say what is allowed.
 */
const ownTexts: Readonly<Record<string, string>> = {
  '009-cluster.listen_multiaddress': 'cluster.listen_multiaddress must be a list of texts, not 5',
  '037-cluster.replication_factor_min': 'cluster.replication_factor_min must be a whole number, not "2"',
  '209-array': 'service.json must hold a JSON object, not a list',
  '210-cluster-string': 'cluster must be an object, not "x"',
}

test('invalid.json: files are accepted and refused as by the reference, with its words', { skip }, async () => {
  const own = join(folder, 'invalid')
  mkdirSync(own)
  for (const recording of loads) {
    writeFileSync(join(own, 'service.json'), recording.raw ?? formatJsonText(changedJson(recording), 2))
    writeIdentity(own, recording)
    const refusal = await load(own)
    if (recording.accepted) assert.equal(refusal, undefined, recording.id)
    else assert.equal(refusal, (ownTexts[recording.id] === undefined ? recording.stderr.join('\n').replaceAll('<DIR>', own) : `error loading configurations: ${ownTexts[recording.id]}`), recording.id)
  }
})

test('invalid.json: all recordings were found', { skip }, () => {
  assert.equal(loads.length, 125)
  for (const id of Object.keys(ownTexts)) assert.ok(loads.some(recording => recording.id === id), id)
})

/** What `state export` says of the folder, or undefined when it takes it. */
async function load (own: string): Promise<string | undefined> {
  try {
    const configuration = await loadConfiguration(own, { environment: {}, warn: () => {} })
    loadIdentity(own, { environment: {}, notify: () => {} })
    const consensus = consensusOf(configuration)
    if (consensus === undefined) return 'error creating state manager: could not determine the consensus component'
    if (consensus === 'crdt' && datastoreOf(configuration) === undefined) return 'error exporting state: unknown datastore'
    return undefined
  } catch (error) {
    return `error loading configurations: ${errorText(error)}`
  }
}

function changedJson (recording: LoadRecording): Json {
  const json = initJson(recording.base)
  if (recording.change === null || typeof recording.change === 'string') return json
  const { op, path, value } = recording.change
  if (path.includes(' and ')) return { ...json, cluster: { ...json.cluster as Json, pin_only_on_trusted_peers: true, pin_only_on_untrusted_peers: true } }
  const [key, ...parents] = path.split('/').toReversed() as [string, ...string[]]
  const parent = parents.toReversed().reduce<Json>((inside, word) => inside[word] as Json, json)
  // "as in init-raft": the section of the same name there.
  const other = typeof value === 'string' && value.startsWith('as in ') ? path.split('/').reduce<unknown>((inside, word) => (inside as Json)[word], initJson(value.slice('as in '.length))) : value
  if (op === 'delete') delete parent[key]
  else parent[key] = other
  return json
}

function writeIdentity (own: string, recording: LoadRecording): void {
  const path = join(own, 'identity.json')
  const identity = JSON.parse(inits.get('init-default')?.files['identity.json']?.text as string) as { id: string, private_key: string }
  const other = JSON.parse(inits.get('init-raft')?.files['identity.json']?.text as string) as { id: string, private_key: string }
  const written: Record<string, string | undefined> = {
    '220-identity-missing': undefined,
    '221-identity-notjson': '{',
    '222-identity-badid': JSON.stringify({ ...identity, id: 'x' }),
    '223-identity-badkey64': JSON.stringify({ ...identity, private_key: '!!' }),
    '224-identity-badkey': JSON.stringify({ ...identity, private_key: 'AAAA' }),
    '225-identity-mismatch': JSON.stringify({ ...identity, private_key: other.private_key }),
  }
  rmSync(path, { force: true })
  const text = Object.hasOwn(written, recording.id) ? written[recording.id] : JSON.stringify(identity)
  if (text !== undefined) writeFileSync(path, text)
}

test('identities of the reference are read', { skip }, () => {
  for (const [name, recording] of inits) {
    const text = recording.files['identity.json']?.text
    if (text === undefined) continue
    const own = join(folder, `identity-${name}`)
    mkdirSync(own)
    writeFileSync(join(own, 'identity.json'), text)
    const identity = loadIdentity(own, { environment: {}, notify: message => { assert.fail(message) } })
    assert.equal(identity.id, (JSON.parse(text) as { id: string }).id)
  }
})
