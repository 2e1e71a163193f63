import type { Peer } from './compose.ts'

/**
 * Takes this peer's own metrics for known before the network is up: without them it would have
 * nobody to hold a pin. Nothing is taken when the IPFS node does not answer: metrics that are not
 * published again would pass for those of a peer that has gone.
 */
export async function recordOwnMetrics ({ ipfsIdentity, informers, ping, monitor }: Pick<Peer, 'ipfsIdentity' | 'informers' | 'ping' | 'monitor'>, signal: AbortSignal): Promise<void> {
  try {
    await ipfsIdentity.ask({ signal })
    const metrics = await Promise.all([ping, ...informers].map(informer => informer.metrics({ signal })))
    if (signal.aborted) return
    for (const metric of metrics.flat()) if (metric.valid) monitor.record(metric)
  } catch {
    // The peer says so itself while it waits for its node.
  }
}
