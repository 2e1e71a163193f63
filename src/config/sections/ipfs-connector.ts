import { address, addresses, addressList, optionalAddress } from '../address-kinds.ts'
import { boolean, duration, integer, text } from '../kinds.ts'
import { defineSection } from '../section.ts'
import { byteSize } from '../value-kinds.ts'

export const ipfshttp = defineSection('ipfs_connector.ipfshttp', {
  describe: 'An IPFS node (Kubo) that runs beside the peer, used through its RPC.',
  environment: 'CLUSTER_IPFSHTTP',
  fields: {
    nodeMultiaddress: address({ initial: '/ip4/127.0.0.1/tcp/5001', empty: 'refused', refusal: 'error parsing ipfs_node_multiaddress', describe: 'The RPC of the node; `/unix/…` and names are allowed.' }),
    connectSwarmsDelayMs: duration({ initial: '30s', describe: 'How long after the start the node is connected to the nodes of other peers; 0: never.' }),
    ipfsRequestTimeoutMs: duration({ initial: '5m', describe: 'Time for an ordinary request.' }),
    pinTimeoutMs: duration({ initial: '2m', describe: 'A pin without progress for this long has failed.' }),
    unpinTimeoutMs: duration({ initial: '3h', describe: 'Time for an unpin.' }),
    repogcTimeoutMs: duration({ initial: '24h', describe: 'Time for a garbage collection.' }),
    informerTriggerInterval: integer({ initial: 0, describe: 'Tell other peers the metrics after so many pins and blocks; 0: only periodically.' }),
    unpinDisable: boolean({ initial: false, omit: 'when empty', describe: 'Refuse to unpin.' }),
  },
  reports: 'last',
  rules: ({ notNegative }) => [
    notNegative('connect_swarms_delay', v => v.connectSwarmsDelayMs, 'ipfshttp.connect_swarms_delay is invalid'),
    notNegative('ipfs_request_timeout', v => v.ipfsRequestTimeoutMs, 'ipfshttp.ipfs_request_timeout invalid'),
    notNegative('pin_timeout', v => v.pinTimeoutMs, 'ipfshttp.pin_timeout invalid'),
    notNegative('unpin_timeout', v => v.unpinTimeoutMs, 'ipfshttp.unpin_timeout invalid'),
    notNegative('repogc_timeout', v => v.repogcTimeoutMs, 'ipfshttp.repogc_timeout invalid'),
    notNegative('informer_trigger_interval', v => v.informerTriggerInterval, 'ipfshttp.informer_trigger_interval'),
  ],
})

export const embedded = defineSection('ipfs_connector.embedded', {
  describe: 'An IPFS node inside the peer, with its blocks on the disk of the peer. Not in the Go program. Exactly one of `ipfs_connector.ipfshttp` and `ipfs_connector.embedded` is there.',
  environment: 'CLUSTER_EMBEDDED',
  fields: {
    repoFolder: text({ initial: 'ipfs', empty: 'keeps', describe: 'Folder of blocks and pins, relative to the configuration folder.' }),
    storageMaxBytes: byteSize({ initial: '10GB', key: 'storage_max', describe: 'What the node tells others as its size; what is free is measured against it, or against the disk where that has less. A tenth of the disk, 208 MiB at most, is left free of blocks, so that a collection of garbage has room to work.' }),
    listenMultiaddress: addresses({ initial: ['/ip4/127.0.0.1/tcp/4001'], empty: 'keeps when absent', refusal: 'error parsing embedded.listen_multiaddress', describe: 'Where the node listens for other IPFS nodes; empty: nowhere.' }),
    publicNetwork: boolean({ initial: false, describe: 'Join the public IPFS network: find content there and offer it. Off: the node dials nobody by itself.' }),
    bootstrap: addressList({ initial: [], refusal: 'error parsing embedded.bootstrap', describe: 'IPFS nodes to connect to at the start.' }),
    gatewayMultiaddress: optionalAddress({ initial: '/ip4/127.0.0.1/tcp/8080', refusal: 'error parsing embedded.gateway_multiaddress', describe: 'Where pinned content can be read with a browser; empty: nowhere.' }),
    ipfsRequestTimeoutMs: duration({ initial: '5m', describe: 'Time for an ordinary request.' }),
    pinTimeoutMs: duration({ initial: '2m', describe: 'A pin without progress for this long has failed.' }),
    unpinTimeoutMs: duration({ initial: '3h', describe: 'Time for an unpin.' }),
    repogcTimeoutMs: duration({ initial: '24h', describe: 'Time for a garbage collection.' }),
  },
  rules: ({ positive, notNegative }) => [
    notNegative('ipfs_request_timeout', v => v.ipfsRequestTimeoutMs, 'embedded.ipfs_request_timeout invalid'),
    notNegative('pin_timeout', v => v.pinTimeoutMs, 'embedded.pin_timeout invalid'),
    notNegative('unpin_timeout', v => v.unpinTimeoutMs, 'embedded.unpin_timeout invalid'),
    notNegative('repogc_timeout', v => v.repogcTimeoutMs, 'embedded.repogc_timeout invalid'),
    positive('storage_max', v => v.storageMaxBytes, 'embedded.storage_max is too low'),
  ],
})
