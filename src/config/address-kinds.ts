import { errorText } from '../domain/errors.ts'
import { parseMultiaddress } from '../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { parsePeerId } from '../domain/peer-id.ts'
import type { Field } from './field.ts'
import { makeField, readText, readTexts, type FieldOptions } from './kinds.ts'
import type { Place } from './place.ts'

/* The kinds of field that name peers and places on the network. */

interface AddressFieldOptions extends FieldOptions {
  /** How the refusal of a wrong address begins: `error parsing announce`. */
  readonly refusal: string
}

const addressExample = 'a multiaddress such as "/ip4/127.0.0.1/tcp/9094"'

/** One address. Empty or absent: `refused` as no address, `keeps` the value until now. */
export function address (options: AddressFieldOptions & { readonly initial: string, readonly empty: 'refused' | 'keeps' }): Field<Multiaddress> {
  return makeField<Multiaddress>(options, {
    form: 'multiaddress',
    jsonSchema: { type: 'string' },
    variable: 'string',
    initial: () => options.initial as Multiaddress,
    parse (json, fallback, place) {
      const given = readText(json, place, addressExample)
      return given === '' && options.empty === 'keeps' ? fallback : readAddress(given, options.refusal, place)
    },
    toJson: value => value,
  })
}

/** One address, or none (empty text). */
export function optionalAddress (options: AddressFieldOptions & { readonly initial: string }): Field<Multiaddress | undefined> {
  return makeField<Multiaddress | undefined>(options, {
    form: 'multiaddress, or empty',
    jsonSchema: { type: 'string' },
    variable: 'string',
    initial: () => (options.initial === '' ? undefined : options.initial) as Multiaddress | undefined,
    parse (json, fallback, place) {
      if (json === undefined) return fallback
      const given = readText(json, place, addressExample)
      return given === '' ? undefined : readAddress(given, options.refusal, place)
    },
    toJson: value => value ?? '',
  })
}

export interface AddressesOptions extends AddressFieldOptions {
  readonly initial: readonly string[]
  /** `keeps`: empty or absent changes nothing; `keeps when absent`: absent only. Default `counts`. */
  readonly empty?: 'keeps' | 'keeps when absent' | 'counts'
}

/** Addresses: a list, or a text when there is one. */
export function addresses (options: AddressesOptions): Field<readonly Multiaddress[]> {
  return makeField<readonly Multiaddress[]>(options, {
    form: 'multiaddress or list of them',
    jsonSchema: { type: ['string', 'array'], items: { type: 'string' } },
    variable: '[]string',
    initial: () => options.initial as readonly Multiaddress[],
    parse (json, fallback, place) {
      if (json === undefined && options.empty === 'keeps when absent') return fallback
      const given = typeof json === 'string' ? [json].filter(text => text !== '') : readTexts(json, place)
      return given.length === 0 && options.empty === 'keeps' ? fallback : given.map(text => readAddress(text, options.refusal, place))
    },
    toJson: value => value.length === 1 ? value[0] : value,
  })
}

/** Addresses, always as a list. */
export function addressList (options: AddressFieldOptions & { readonly initial: readonly string[] }): Field<readonly Multiaddress[]> {
  return makeField<readonly Multiaddress[]>(options, {
    form: 'list of multiaddresses',
    jsonSchema: { type: 'array', items: { type: 'string' } },
    variable: '[]string',
    initial: () => options.initial as readonly Multiaddress[],
    parse: (json, _fallback, place) => readTexts(json, place).map(text => readAddress(text, options.refusal, place)),
    toJson: value => value,
  })
}

/** Peers to trust: a list of IDs, or `all` of them (a `*` in the list). */
export function trustedPeers (options: FieldOptions & { readonly refusal: string }): Field<readonly PeerId[] | 'all'> {
  return makeField<readonly PeerId[] | 'all'>(options, {
    form: 'list of peer IDs, or `["*"]`',
    jsonSchema: { type: 'array', items: { type: 'string' } },
    variable: '[]string',
    initial: () => 'all',
    parse (json, _fallback, place) {
      const peers: PeerId[] = []
      for (const text of readTexts(json, place)) {
        if (text === '*') return 'all'
        peers.push(readPeer(text, options.refusal, place))
      }
      return peers
    },
    toJson: value => value === 'all' ? ['*'] : value,
  })
}

/** Peers; one that cannot be read is left out with a warning, as the contract has it. */
export function peersOrWarning (options: FieldOptions): Field<readonly PeerId[]> {
  return makeField<readonly PeerId[]>(options, {
    form: 'list of peer IDs',
    jsonSchema: { type: 'array', items: { type: 'string' } },
    variable: '[]string',
    initial: () => [],
    parse: (json, _fallback, place) => readTexts(json, place).flatMap(text => {
      try {
        return [parsePeerId(text)]
      } catch (error) {
        place.warn(`${place.show(text)} is left out: ${errorText(error)}`)
        return []
      }
    }),
    toJson: value => value,
  })
}

/** The ID of a peer, or none (empty or absent). */
export function optionalPeer (options: FieldOptions & { readonly refusal: string }): Field<PeerId | undefined> {
  return makeField<PeerId | undefined>(options, {
    form: 'peer ID',
    jsonSchema: { type: 'string' },
    variable: 'string',
    initial: () => undefined,
    parse (json, fallback, place) {
      const given = readText(json, place)
      return given === '' ? fallback : readPeer(given, options.refusal, place)
    },
    toJson: value => value,
  })
}

function readAddress (text: string, refusal: string, place: Place): Multiaddress {
  try {
    return parseMultiaddress(text)
  } catch (error) {
    throw place.refuse(text, addressExample, `${refusal}: ${errorText(error)}`)
  }
}

function readPeer (text: string, refusal: string, place: Place): PeerId {
  try {
    return parsePeerId(text)
  } catch (error) {
    throw place.refuse(text, 'a peer ID such as "12D3Koo…"', `${refusal}: ${errorText(error)}`)
  }
}
