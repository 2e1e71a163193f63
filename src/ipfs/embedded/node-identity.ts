import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { ClusterError, errorText } from '../../domain/errors.ts'
import { fileErrorText, isMissingFile, writeFileAtomically } from '../../platform/files.ts'
import type { Random } from '../../platform/random.ts'

/** Keys of the node take some hundred bytes. */
const maxFileBytes = 16 * 1024
const seedBytes = 32

/**
 * The node's own key, not the cluster peer's, in `node.json` of its folder; made when absent.
 * @throws ClusterError `INVALID_IDENTITY` when the file is there and holds no key
 */
export async function loadNodeKey (folder: string, random: Random): Promise<Ed25519PrivateKey> {
  const { generateKeyPairFromSeed, privateKeyFromProtobuf, privateKeyToProtobuf } = await import('@libp2p/crypto/keys')
  const path = join(folder, 'node.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (!isMissingFile(error)) throw new ClusterError('INVALID_IDENTITY', fileErrorText('open', path, error), { cause: error })
    const key = await generateKeyPairFromSeed('Ed25519', random.bytes(seedBytes))
    writeFileAtomically(path, `${JSON.stringify({ private_key: Buffer.from(privateKeyToProtobuf(key)).toString('base64') }, undefined, 2)}\n`, 0o600)
    return key
  }
  try {
    const { private_key: encoded } = JSON.parse(text.slice(0, maxFileBytes)) as { private_key: string }
    const key = privateKeyFromProtobuf(Buffer.from(encoded, 'base64'))
    if (key.type !== 'Ed25519') throw new Error('it is no Ed25519 key')
    return key
  } catch (error) {
    throw new ClusterError('INVALID_IDENTITY', `${path} holds no usable key of the embedded IPFS node: restore it, or remove it for a new one (${errorText(error)})`, { cause: error })
  }
}
