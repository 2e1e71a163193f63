import { resolve } from 'node:path'
import { ipfsConnectorOf, type Configuration } from '../config/configuration.ts'
import { ClusterError } from '../domain/errors.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { Platform } from '../platform/lifecycle.ts'

export interface IpfsNodeHooks {
  /** Sends the metrics of this peer now. */
  readonly sendMetrics: () => void
}

/** The IPFS node that the configuration names; only its program is loaded. */
export async function ipfsNode (configuration: Configuration, hooks: IpfsNodeHooks, platform: Platform): Promise<IpfsConnector> {
  switch (ipfsConnectorOf(configuration)) {
    case 'ipfshttp': {
      const { kuboConnector } = await import('../ipfs/kubo/kubo-connector.ts')
      return kuboConnector({ ...configuration.ipfsConnector.ipfshttp, ...hooks }, platform)
    }
    case 'embedded': {
      const { embeddedConnector } = await import('../ipfs/embedded/embedded-connector.ts')
      const options = configuration.ipfsConnector.embedded
      return embeddedConnector({
        folder: resolve(configuration.folder, options.repoFolder),
        storageMaxBytes: options.storageMaxBytes,
        listenAddresses: options.listenMultiaddress,
        publicNetwork: options.publicNetwork,
        bootstrap: options.bootstrap,
        pinTimeoutMs: options.pinTimeoutMs,
        unpinTimeoutMs: options.unpinTimeoutMs,
        requestTimeoutMs: options.ipfsRequestTimeoutMs,
        collectionTimeoutMs: options.repogcTimeoutMs,
        gatewayAddress: options.gatewayMultiaddress ?? '',
      }, platform)
    }
    default: throw new ClusterError('INVALID_CONFIGURATION', 'service.json has both ipfs_connector.ipfshttp and ipfs_connector.embedded: remove one of them')
  }
}
