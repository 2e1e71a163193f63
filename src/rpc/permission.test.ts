import assert from 'node:assert/strict'
import { test } from 'node:test'
import { methods } from './methods.ts'
import { permittedMethod, Refusal } from './permission.ts'

/* Who may call what, as the reference has it (spec/wire.md 5.2), and what is ours: a change here opens a door, or shuts one to its peers. */

const open = ['Cluster.ID', 'Cluster.IDStream', 'Cluster.PeerAdd', 'Cluster.Version']
const trusted = [
  'Cluster.Links', 'Cluster.PeerRemove', 'Cluster.Peers', 'Cluster.RecoverAllLocal', 'Cluster.RecoverLocal', 'Cluster.RepoGCLocal', 'Consensus.AddPeer', 'Consensus.LogPin', 'Consensus.LogUnpin',
  'Consensus.RmPeer', 'IPFSConnector.BlockStream', 'IPFSConnector.RepoStat', 'IPFSConnector.SwarmPeers', 'PinTracker.Recover', 'PinTracker.Status', 'PinTracker.StatusAll', 'PinTracker.StatusRanges',
]
const closed = [
  'Cluster.Alerts', 'Cluster.BandwidthByProtocol', 'Cluster.BlockAllocate', 'Cluster.ConnectGraph', 'Cluster.IPFSID', 'Cluster.Join', 'Cluster.PeersWithFilter', 'Cluster.Pin', 'Cluster.PinGet', 'Cluster.PinPath',
  'Cluster.Pins', 'Cluster.Recover', 'Cluster.RecoverAll', 'Cluster.RepoGC', 'Cluster.SendInformerMetrics', 'Cluster.SendInformersMetrics', 'Cluster.Status', 'Cluster.StatusAll', 'Cluster.StatusAllLocal',
  'Cluster.StatusLocal', 'Cluster.Unpin', 'Cluster.UnpinPath', 'PinTracker.PinQueueSize', 'PinTracker.RecoverAll', 'PinTracker.Track', 'PinTracker.Untrack', 'IPFSConnector.BlockGet', 'IPFSConnector.ConfigKey',
  'IPFSConnector.Pin', 'IPFSConnector.PinLs', 'IPFSConnector.PinLsCid', 'IPFSConnector.Resolve', 'IPFSConnector.Unpin', 'Consensus.Peers', 'PeerMonitor.LatestMetrics', 'PeerMonitor.MetricNames',
]

function outcome (name: string, isTrusted: boolean): string {
  const [service = '', method = ''] = name.split('.')
  try {
    permittedMethod({ service, method }, () => isTrusted)
    return 'answered'
  } catch (error) {
    assert.ok(error instanceof Refusal)
    return `${error.errorType} ${error.message}`
  }
}

test('everybody may call what is open, trusted peers what is theirs, and nobody what is closed', () => {
  const denied = (name: string): string => `3 client does not have permissions to call ${name}`
  for (const name of open) assert.deepEqual([outcome(name, false), outcome(name, true)], ['answered', 'answered'], name)
  for (const name of trusted) assert.deepEqual([outcome(name, false), outcome(name, true)], [denied(name), 'answered'], name)
  for (const name of closed) assert.deepEqual([outcome(name, false), outcome(name, true)], [denied(name), denied(name)], name)
})

test('there is no method of which it is not said here who may call it', () => {
  assert.deepEqual(Object.values(methods).map(({ service, method }) => `${service}.${method}`).toSorted(), [...open, ...trusted].toSorted())
})

test('what there is not is told before anybody is asked for permission', () => {
  assert.equal(outcome('Nothing.ID', false), "1 rpc: can't find service Nothing")
  assert.equal(outcome('Cluster.Nothing', false), "1 rpc: can't find method Nothing")
  assert.equal(outcome('Cluster.constructor', true), "1 rpc: can't find method constructor")
})
