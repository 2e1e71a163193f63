import { PinMessage } from '../codec/messages.ts'
import { roomForPinJson, writePinJson } from '../codec/pin-json.ts'
import type { PinsetQuery, StateStore, StoredPin } from '../state/state-store.ts'

const newline = 10

/**
 * The pinset as lines of JSON, as the REST API answers it: written straight from the stored bytes
 * where the store has them, for a listing makes no object of any pin.
 */
export async function * encodedPins (pinset: StateStore, query: PinsetQuery): AsyncGenerator<Uint8Array> {
  // The type of a pin is known of objects only.
  if (pinset.listStored === undefined || query.types !== undefined) {
    for await (const pins of pinset.list(query)) yield Buffer.from(pins.map(pin => `${PinMessage.encodeJson(pin)}\n`).join(''))
    return
  }
  for await (const stored of pinset.listStored(query)) yield encode(stored)
}

function encode (stored: readonly StoredPin[]): Uint8Array {
  const texts = stored.map(entry => 'pin' in entry ? PinMessage.encodeJson(entry.pin) : undefined)
  let size = 0
  for (const [i, entry] of stored.entries()) size += 1 + ('value' in entry ? roomForPinJson(entry.value) : Buffer.byteLength(texts[i] as string))
  const lines = Buffer.allocUnsafe(size)
  let at = 0
  for (const [i, entry] of stored.entries()) {
    at = 'value' in entry ? writePinJson(entry.value, lines, at) : at + lines.write(texts[i] as string, at)
    lines[at++] = newline
  }
  return lines.subarray(0, at)
}
