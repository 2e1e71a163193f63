import type { AddOptions } from '../adder/adder.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { PeerId } from '../domain/peer.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import { addFaults } from './checks/added.ts'
import { entriesOf, type Upload } from './uploads.ts'
import type { World } from './world.ts'

/** Adds the file as a client of that peer does; what was acknowledged is held against the nodes at once. */
export async function addFile (world: World, peer: SimulatedPeer, cluster: Cluster, file: Upload, options: AddOptions, { isBroken, signal }: { readonly isBroken: boolean, readonly signal: AbortSignal }): Promise<void> {
  let root: string | undefined
  let allocations: readonly PeerId[] = []
  try {
    for await (const output of cluster.add(entriesOf(file.content, isBroken), options, { signal })) {
      root = output.cid
      allocations = output.allocations ?? []
    }
  } catch (error) {
    const pinned = peer.history.of(file.root).some(change => change.peer === peer.self && change.pin?.name === options.pin.name && change.isAcknowledged)
    if (pinned) world.violate(`an add that fails leaves no pin: ${peer.name} has pinned "${options.pin.name}", which it refused`)
    throw error
  }
  if (root !== file.root) world.violate(`an add makes the DAG of its content: ${peer.name} made ${root} of ${file.root}`)
  if (isBroken) world.violate(`an add that fails leaves no pin: ${peer.name} has acknowledged half a file`)
  for (const broken of addFaults(world, peer, file, options, allocations)) world.violate(`an acknowledged add is stored: ${broken}`)
}
