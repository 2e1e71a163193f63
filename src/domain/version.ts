/** The version of the reference whose contract we keep: what `version` and `/version` answer. */
export const contractVersion = '1.1.6'

export const rpcProtocol = '/ipfscluster/1.0/rpc'
