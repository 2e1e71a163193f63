import type { Multiaddress } from '../../domain/peer.ts'

/** What the network takes of the `cluster` section of the configuration (spec/config.md 6). */
export interface NetworkSettings {
  /** The key of the private network, 32 bytes; empty: an unprotected network. */
  readonly secret: Uint8Array
  readonly listenMultiaddress: readonly Multiaddress[]
  /** Told to others instead of the addresses it listens on, when there are any. */
  readonly announceMultiaddress: readonly Multiaddress[]
  readonly noAnnounceMultiaddress: readonly Multiaddress[]
  readonly enableRelayHop: boolean
  readonly connectionManager: { readonly highWater: number, readonly lowWater: number, readonly gracePeriodMs: number }
  readonly resourceManager: { readonly enabled: boolean, readonly memoryLimitBytes: number, readonly fileDescriptorsLimit: number }
  readonly pubsub: PubsubSettings
  readonly dialPeerTimeoutMs: number
  /** 0: peers of the local network are not looked for. */
  readonly mdnsIntervalMs: number
  readonly followerMode: boolean
}

export interface PubsubSettings {
  readonly heartbeatIntervalMs: number
  readonly dFactor: number
  readonly historyGossip: number
  readonly historyLength: number
  readonly floodPublish: boolean
}
