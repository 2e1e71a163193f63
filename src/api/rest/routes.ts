import type { ClusterOperations } from '../../cluster/operations.ts'
import type { Authentication } from '../authentication.ts'
import type { Route } from '../route.ts'
import { tokenHandler } from '../token.ts'
import type { AddHandlers } from './add.ts'
import { AllocationHandlers } from './allocations.ts'
import { HealthHandlers } from './health.ts'
import { MonitorHandlers } from './monitor.ts'
import { PeerHandlers } from './peers.ts'
import { PinHandlers } from './pins.ts'
import { RepositoryHandlers } from './repository.ts'

/** The table of the REST API, in the contract's order: it decides between 404 and 405 (spec/rest-api.md 1.1). */
export function restRoutes (operations: ClusterOperations, authentication: Authentication | undefined): Route[] {
  const peers = new PeerHandlers(operations)
  const pins = new PinHandlers(operations)
  const allocations = new AllocationHandlers(operations)
  const health = new HealthHandlers(operations)
  const monitor = new MonitorHandlers(operations)
  // At the first upload: reading them is a good part of the API.
  const loadAdd = async (): Promise<AddHandlers> => new (await import('./add.ts')).AddHandlers(operations)
  return [
    { method: 'GET', path: '/id', handle: peers.id },
    { method: 'GET', path: '/version', handle: peers.version },
    { method: 'GET', path: '/peers', handle: peers.list },
    { method: 'POST', path: '/peers', handle: peers.add },
    { method: 'DELETE', path: '/peers/{peer}', handle: peers.remove },
    { method: 'POST', path: '/add', handle: async exchange => (await loadAdd()).add(exchange) },
    { method: 'GET', path: '/allocations', handle: allocations.list },
    { method: 'GET', path: '/allocations/{hash}', handle: allocations.get },
    { method: 'GET', path: '/pins', handle: pins.statusAll },
    { method: 'POST', path: '/pins/{hash}/recover', handle: pins.recover },
    // Said once more because fastify prefers the fixed segment of the rows with paths.
    { method: 'POST', path: '/pins/{hash:ipfs|ipns|ipld}/recover', handle: pins.recover },
    { method: 'POST', path: '/pins/recover', handle: pins.recoverAll },
    { method: 'GET', path: '/pins/{hash}', handle: pins.status },
    { method: 'POST', path: '/pins/{hash}', handle: pins.pin },
    { method: 'POST', path: '/pins/{keyType:ipfs|ipns|ipld}/{path...}', handle: pins.pinPath },
    { method: 'DELETE', path: '/pins/{hash}', handle: pins.unpin },
    { method: 'DELETE', path: '/pins/{keyType:ipfs|ipns|ipld}/{path...}', handle: pins.unpinPath },
    { method: 'POST', path: '/ipfs/gc', handle: new RepositoryHandlers(operations).collectGarbage },
    { method: 'GET', path: '/health/graph', handle: health.graph },
    { method: 'GET', path: '/health/alerts', handle: health.alerts },
    { method: 'GET', path: '/health/bandwidth', handle: health.bandwidth },
    { method: 'GET', path: '/monitor/metrics/{name}', handle: monitor.metrics },
    { method: 'GET', path: '/monitor/metrics', handle: monitor.names },
    { method: 'POST', path: '/token', handle: tokenHandler(authentication) },
    { method: 'GET', path: '/health', handle: health.health },
  ]
}
