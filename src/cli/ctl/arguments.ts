import { parseDuration } from '../../codec/duration.ts'
import { parseCid, type Cid } from '../../domain/cid.ts'
import type { PeerId } from '../../domain/peer.ts'
import { parsePeerId } from '../../domain/peer-id.ts'
import { unsetTime, type Time } from '../../domain/time.ts'
import { CommandError } from '../command-line/command.ts'

/* What the words of the command line mean, with the errors of the contract (spec/cli.md 2.5). */

export function cidArgument (text: string, doing = 'parsing cid'): Cid {
  try {
    return parseCid(text)
  } catch (error) {
    throw new CommandError(doing, error)
  }
}

/**
 * Tells the moment that lies the given duration ahead when it is called, unset for an empty text.
 * To be called when the request is sent: a short time shall not be over before.
 */
export function expiryArgument (text: string): () => Time {
  if (text === '') return () => unsetTime
  try {
    const ms = parseDuration(text)
    return () => Date.now() + ms
  } catch (error) {
    throw new CommandError('parsing expire-in', error)
  }
}

export function metadataArgument (pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map(pair => {
    const equals = pair.indexOf('=')
    if (equals < 0) throw new CommandError('parsing metadata', 'metadata were not in the format key=value')
    return [pair.slice(0, equals), pair.slice(equals + 1)] as const
  }))
}

/** Those of the texts that are peer IDs. */
export function peerIds (texts: readonly string[]): PeerId[] {
  return texts.flatMap(text => {
    try {
      return [parsePeerId(text)]
    } catch {
      return []
    }
  })
}
