import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { errorText } from '../domain/errors.ts'
import { fileErrorText } from '../platform/files.ts'
import type { Place } from './place.ts'

/**
 * Makes sure that the certificate and key that a section names can be used together.
 * @throws ClusterError `INVALID_CONFIGURATION`
 */
export function verifyCertificate (certificateFile: string, keyFile: string, place: Place): void {
  if (certificateFile === '' && keyFile === '') return
  const refuse = (key: string, file: string, reason: string): Error =>
    place.inside(key).refuse(file, 'a PEM file, relative to the configuration folder', `error loading TLS certificate/key: ${reason}`)
  const read = (key: string, file: string): Buffer => {
    const path = resolve(place.context.folder, file)
    try {
      return readFileSync(path)
    } catch (error) {
      throw refuse(key, file, fileErrorText('open', path, error))
    }
  }
  const certificateText = read('ssl_cert_file', certificateFile)
  const keyText = read('ssl_key_file', keyFile)
  let belongs: boolean
  try {
    belongs = new X509Certificate(certificateText).checkPrivateKey(createPrivateKey(keyText))
  } catch (error) {
    throw refuse('ssl_cert_file', certificateFile, errorText(error))
  }
  if (!belongs) throw refuse('ssl_key_file', keyFile, 'tls: private key does not match public key')
}
