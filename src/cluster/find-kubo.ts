import type { Multiaddress } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'

/** How long a node may take to say that it is there, in milliseconds. */
const answerMs = 1_500

/** True when an IPFS node with Kubo's RPC answers at `address`. */
export async function isKuboAt (address: Multiaddress, platform: Platform): Promise<boolean> {
  const { kuboConnector } = await import('../ipfs/kubo/kubo-connector.ts')
  const kubo = kuboConnector({
    nodeMultiaddress: address,
    ipfsRequestTimeoutMs: answerMs,
    pinTimeoutMs: 0,
    unpinTimeoutMs: 0,
    repogcTimeoutMs: 0,
    informerTriggerInterval: 0,
    unpinDisable: false,
  }, platform)
  try {
    await kubo.id()
    return true
  } catch {
    return false
  } finally {
    await kubo.stop()
  }
}
