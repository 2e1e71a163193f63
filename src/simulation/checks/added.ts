import type { AddOptions } from '../../adder/adder.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { SimulatedPeer } from '../simulated-peer.ts'
import type { Upload } from '../uploads.ts'
import type { World } from '../world.ts'

/** What is wrong when that peer acknowledges the add: enough holders have all blocks, and no fewer holders than asked for are named. */
export function addFaults (world: World, peer: SimulatedPeer, file: Upload, { pin, local }: AddOptions, allocations: readonly PeerId[]): string[] {
  const { settings } = world
  const least = pin.replicationFactorMin || settings.replicationFactorMin
  const isEverywhere = least < 0
  const holders = local ? [peer] : isEverywhere ? world.peers : world.peers.filter(({ self }) => allocations.includes(self))
  const complete = holders.filter(({ node }) => node.hasBlocks(file.blocks))
  const wanted = local || isEverywhere ? 1 : least
  return complete.length >= wanted ? [] : [`${complete.length} of ${holders.length} holders have all blocks of ${file.root} ("${pin.name}", added by ${peer.name}), at least ${wanted} were wanted`]
}
