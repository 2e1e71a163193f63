import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { parsePeerId } from '../domain/peer-id.ts'
import { fileErrorText } from '../platform/files.ts'
import type { Random } from '../platform/random.ts'
import type { Environment } from './environment.ts'
import { isJsonObject } from './field.ts'
import { configurationFileName, writeIntoFolder } from './file.ts'
import { formatJsonText, parseJsonText } from './json-text.ts'
import { ed25519PrivateKey, peerOfPrivateKey } from './private-key.ts'
import { decodeBase64 } from './text-encodings.ts'

export const identityFileName = 'identity.json'
/** An identity with the largest usual key has about 5 kB. */
const maxIdentityBytes = 64 * 1024
const ed25519SeedBytes = 32

/** Who a peer is: what identity.json holds. */
export interface Identity {
  readonly id: PeerId
  /** The private key in libp2p's protobuf form. */
  readonly privateKey: Uint8Array
}

export interface LoadIdentityOptions {
  readonly environment: Environment
  /** Told what was done that the operator should know. */
  readonly notify: (message: string) => void
}

/** A new identity with an Ed25519 key. */
export function createIdentity (random: Random): Identity {
  const privateKey = ed25519PrivateKey(random.bytes(ed25519SeedBytes))
  return { id: peerOfPrivateKey(privateKey), privateKey }
}

/**
 * Reads identity.json of a configuration folder, then applies CLUSTER_ID and CLUSTER_PRIVATEKEY.
 * Where the file is missing, an identity in the cluster section of service.json (as programs before
 * 0.11 wrote it) is taken over into a file of its own.
 * @throws ClusterError `INVALID_IDENTITY` with the contract's texts (spec/config.md 5)
 */
export function loadIdentity (folder: string, options: LoadIdentityOptions): Identity {
  const path = join(folder, identityFileName)
  const identity = existsSync(path)
    ? within(`error loading identity from ${path}`, () => readIdentity(readBounded(path)))
    : takeOverIdentity(folder, path, options.notify)
  return within('error applying environment variables to the identity', () => overrideIdentity(identity, options.environment))
}

/** `identity` with CLUSTER_ID and CLUSTER_PRIVATEKEY. @throws ClusterError `INVALID_IDENTITY` */
export function overrideIdentity (identity: Identity, environment: Environment): Identity {
  const { CLUSTER_ID: id, CLUSTER_PRIVATEKEY: privateKey } = environment
  if (id === undefined && privateKey === undefined) return identity
  const json = identityToJson(identity)
  return parseIdentity({ id: id ?? json.id, private_key: privateKey ?? json.private_key })
}

/** Writes identity.json, readable by its owner only. @throws ClusterError `STORE_FAILED` */
export function saveIdentity (folder: string, identity: Identity): void {
  writeIntoFolder(folder, join(folder, identityFileName), formatJsonText(identityToJson(identity), 4), 0o600)
}

function identityToJson (identity: Identity): { id: string, private_key: string } {
  return { id: identity.id, private_key: Buffer.from(identity.privateKey).toString('base64') }
}

function takeOverIdentity (folder: string, path: string, notify: (message: string) => void): Identity {
  const configurationPath = join(folder, configurationFileName)
  const document = parseJsonText(readBounded(configurationPath, Number.POSITIVE_INFINITY), configurationFileName)
  const section = isJsonObject(document) && isJsonObject(document.cluster) ? document.cluster : {}
  const identity = within('error loading identity', () => parseIdentity(section), `${path} is missing: restore it, or run "ipfs-cluster-service init" for a new identity`)
  saveIdentity(folder, identity)
  notify(`\nNOTICE: identity information extracted from ${configurationPath} and saved as ${path}.\n\n`)
  return identity
}

function readBounded (path: string, maxBytes = maxIdentityBytes): string {
  try {
    const { size } = statSync(path)
    if (size > maxBytes) throw new Error(`the file has ${size} bytes, more than any identity`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ClusterError('INVALID_IDENTITY', fileErrorText('open', path, error), { cause: error })
  }
}

function readIdentity (text: string): Identity {
  const json = parseJsonText(text, identityFileName)
  if (!isJsonObject(json)) throw new ClusterError('INVALID_IDENTITY', `${identityFileName} must hold a JSON object`)
  return parseIdentity(json)
}

function parseIdentity (json: Readonly<Record<string, unknown>>): Identity {
  const id = within('error decoding cluster ID', () => parsePeerId(readText(json, 'id')))
  const bytes = within('error decoding private_key', () => decodeBase64(readText(json, 'private_key')))
  const owner = within('error parsing private_key ID', () => peerOfPrivateKey(bytes))
  if (owner !== id) throw new ClusterError('INVALID_IDENTITY', 'identity ID does not match the private_key')
  return { id, privateKey: bytes }
}

function readText (json: Readonly<Record<string, unknown>>, key: string): string {
  const value = json[key] ?? ''
  if (typeof value !== 'string') throw new Error(`${key} must be a text`)
  return value
}

/** Runs `work`; an error of it becomes one about the identity, with `doing` before it. */
function within<T> (doing: string, work: () => T, hint?: string): T {
  try {
    return work()
  } catch (error) {
    throw new ClusterError('INVALID_IDENTITY', `${doing}: ${errorText(error)}`, { cause: error, ...(hint !== undefined && { details: { hint } }) })
  }
}
