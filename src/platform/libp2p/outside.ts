import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import type { Transport } from '@libp2p/interface'
import { uPnPNAT } from '@libp2p/upnp-nat'
import type { Platform } from '../lifecycle.ts'
import { AutoRelay, type Reservations } from './auto-relay.ts'
import { DialBack } from './dial-back.ts'
import { followMappings, type Mappings } from './mapped-addresses.ts'
import type { IsOfInternet, OutsideComponents } from './outside-components.ts'
import { Reachability } from './reachability.ts'
import { RelayHop, type RelayServer } from './relay-hop.ts'
import { relayLimits } from './relay-limits.ts'
import { limitRouters, type RouterSearch } from './router-limit.ts'

export interface OutsideOptions {
  readonly platform: Platform
  readonly enableRelayHop: boolean
  /** False for a peer that only its own machine can dial: no router is asked to let others in. */
  readonly mapsPorts: boolean
  readonly isOfInternet: IsOfInternet
}

/** How libp2p makes its parts: it hands them what they need of the others. */
type Make<Part> = (components: OutsideComponents) => Part

export interface OutsideParts {
  readonly transport: Make<Transport>
  readonly services: Readonly<Record<string, Make<unknown>>>
}

/** What helps peers behind a router to be reached, as the reference has it: relays, both as client and server, AutoNAT, hole punching, port mapping. */
export function outsideParts ({ platform: { clock, random }, enableRelayHop, mapsPorts, isOfInternet }: OutsideOptions): OutsideParts {
  let reservations: Reservations | undefined
  let autoRelay: AutoRelay | undefined
  let hop: RelayHop | undefined
  return {
    transport: components => {
      const transport = make<Transport & { readonly reservationStore: Reservations & { relayFilter: object } }>(circuitRelayTransport({ discoveryFilter: allKnown }), components)
      reservations = transport.reservationStore
      // A relay that was gone or closed for a moment would never be asked again; AutoRelay leaves it alone for a while.
      transport.reservationStore.relayFilter = noneKnown
      // The addresses by which relays are used are announced by AutoRelay. A listener of libp2p
      // would end the slots of all others with its own.
      transport.listenFilter = () => []
      return transport
    },
    services: {
      dcutr: components => make(dcutr(), components),
      // As the reference: what a router has mapped is announced at once.
      ...(mapsPorts && {
        portMap: (components: OutsideComponents) => {
          const addressManager = followMappings(components.addressManager as unknown as Mappings, isOfInternet)
          const following = Object.create(components, { addressManager: { value: addressManager } }) as OutsideComponents
          const portMap = make<{ readonly portMappingClient: RouterSearch }>(uPnPNAT({ autoConfirmAddress: true, ...routerSearch }), following)
          limitRouters(portMap.portMappingClient)
          return portMap
        },
      }),
      dialBack: components => new DialBack({ components, clock, isOfInternet }),
      autoRelay: components => autoRelay = new AutoRelay({ components, reservations: reservations as Reservations, clock, isOfInternet }),
      ...(enableRelayHop && {
        relay: (components: OutsideComponents) => {
          const server = make<RelayServer>(circuitRelayServer({ reservations: relayLimits }), components)
          return hop = new RelayHop(components, server)
        },
      }),
      reachability: components => new Reachability({
        components, clock, random, isOfInternet,
        onStatus: status => {
          if (autoRelay !== undefined) autoRelay.isWanted = status === 'private'
          hop?.setOpen(status === 'public').catch(() => {})
        },
      }),
    },
  }
}

/** A router is looked for at the start and from time to time; where there is none libp2p would ask every second for ever. */
const routerSearch = { initialGatewaySearchInterval: 5 * 60_000, initialGatewaySearchTimeout: 10_000, initialGatewaySearchMessageInterval: 3_000 }

/** libp2p looks for relays itself, also when none is wanted: it takes every peer for one that it has looked at. */
const allKnown = { has: () => true, add: () => {}, remove: () => {} }
const noneKnown = { ...allKnown, has: () => false }

/** Each of libp2p's parts names only what it needs itself; all of it is there. */
function make<Part> (factory: unknown, components: OutsideComponents): Part {
  return (factory as Make<Part>)(components)
}
