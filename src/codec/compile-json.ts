import { expectObject, invalidData, within } from './json.ts'
import type { AnyField } from './schema.ts'

export interface JsonCodec<T> {
  encodeJson: (value: T) => string
  decodeJson: (json: unknown) => T
  /** Like decodeJson, for a value inside of another: the error does not name the message. */
  readJson: (json: unknown) => T
}

type AnyValue = Record<string, unknown>

/** JSON encoder and decoder of a schema. */
export function compileJson<T> (message: string, fields: readonly AnyField[]): JsonCodec<T> {
  const steps = fields.map(({ property, json, kind }, place) => {
    const name = json.replace('?', '')
    return { property, name, kind, zero: kind.zero, mayBeLeftOut: json.endsWith('?'), first: `{"${name}":`, next: `,"${name}":`, place }
  })
  const zero = Object.fromEntries(steps.map(({ property, zero }) => [property, zero]))

  function encodeJson (value: T): string {
    let json = ''
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i] as typeof steps[number]
      const item = (value as AnyValue)[step.property]
      if (step.mayBeLeftOut && step.kind.isEmpty(item)) continue
      json += (json === '' ? step.first : step.next) + step.kind.toJson(item)
    }
    return json === '' ? '{}' : `${json}}`
  }

  function readJson (json: unknown): T {
    const object = expectObject(json)
    const value: AnyValue = { ...zero }
    let at = 0
    try {
      for (; at < steps.length; at++) {
        const step = steps[at] as typeof steps[number]
        const item = object[step.name]
        if (item !== undefined && item !== null) value[step.property] = step.kind.fromJson(item)
        else if (step.kind.required === true) throw invalidData('missing')
      }
    } catch (error) {
      throw within((steps[at] as typeof steps[number]).name, error)
    }
    return value as T
  }

  function decodeJson (json: unknown): T {
    try {
      return readJson(json)
    } catch (error) {
      throw within(message, error)
    }
  }

  return { encodeJson, decodeJson, readJson }
}
