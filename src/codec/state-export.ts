import { ClusterError, errorText } from '../domain/errors.ts'
import type { Pin } from '../domain/pin.ts'
import { PinMessage } from './messages.ts'

/** Pins in one step: enough to hide what a step costs. */
const pinsPerStep = 500
/** Bytes of one pin's JSON: metadata and origins of any sense fit many times. */
const maxPinBytes = 4 * 1024 * 1024

/** One line of an export: the REST JSON of a pin (spec/components.md, State). */
export function exportedPin (pin: Pin): string {
  return `${PinMessage.encodeJson(pin)}\n`
}

/**
 * Reads an export as it comes: JSON objects, one after the other, usually one a line.
 * @throws ClusterError `INVALID_INPUT` that names the pin by its number in the file
 */
export async function * readExport (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Pin[]> {
  let pins: Pin[] = []
  let number = 0
  for await (const text of jsonObjects(chunks)) {
    pins.push(readPin(text, ++number))
    if (pins.length < pinsPerStep) continue
    yield pins
    pins = []
  }
  if (pins.length > 0) yield pins
}

function readPin (text: string, number: number): Pin {
  try {
    return PinMessage.decodeJson(JSON.parse(text))
  } catch (error) {
    throw new ClusterError('INVALID_INPUT', `pin ${number} of the file cannot be read: ${errorText(error)}`, { cause: error })
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const quoteByte = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d

/** Cuts the stream into the texts of its JSON objects. */
async function * jsonObjects (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let depth = 0
  let isInText = false
  let isEscaped = false
  let begun = new Uint8Array(1024)
  let begunBytes = 0
  // One growing buffer: a sender of single bytes must not cost an array for each.
  const keep = (part: Uint8Array): void => {
    const total = begunBytes + part.length
    if (total > maxPinBytes) throw new ClusterError('INVALID_INPUT', `a pin of more than ${maxPinBytes} bytes`)
    if (total > begun.length) {
      const larger = new Uint8Array(Math.max(total, begun.length * 2))
      larger.set(begun.subarray(0, begunBytes))
      begun = larger
    }
    begun.set(part, begunBytes)
    begunBytes = total
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number
      if (isInText) {
        if (isEscaped) isEscaped = false
        else if (byte === backslash) isEscaped = true
        else if (byte === quoteByte) isInText = false
      } else if (depth === 0) {
        if (isBlank(byte)) continue
        if (byte !== openBrace) throw unexpectedCharacter(byte)
        depth = 1
        start = at
      } else if (byte === quoteByte) {
        isInText = true
      } else if (byte === openBrace) {
        depth++
      } else if (byte === closeBrace && --depth === 0) {
        keep(chunk.subarray(start, at + 1))
        yield decoder.decode(begun.subarray(0, begunBytes))
        begunBytes = 0
      }
    }
    if (depth > 0) keep(chunk.subarray(start))
  }
  if (depth > 0) throw new ClusterError('INVALID_INPUT', 'unexpected EOF')
}

function isBlank (byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function unexpectedCharacter (byte: number): ClusterError {
  const character = String.fromCharCode(byte)
  // Bytes with which another JSON value begins.
  if (/["[\-0-9tfn]/.test(character)) return new ClusterError('INVALID_INPUT', `expected a JSON object for every pin, found ${JSON.stringify(character)}`)
  const shown = character === '\'' || character === '\\' ? `'\\${character}'` : `'${character}'`
  return new ClusterError('INVALID_INPUT', `invalid character ${shown} looking for beginning of value`)
}
