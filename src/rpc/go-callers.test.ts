import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../platform/clock.ts'
import { RpcClient } from './client.ts'
import { methods } from './methods.ts'
import { cidOf, informationOf, peerOf, pinInfoOf, twoPeers } from './rpc.fixture.ts'

const server = peerOf(2)
const noOptions = {}

test('what Go peers ask and ours do not is answered as well', async () => {
  const peers = await twoPeers(systemClock)
  const client = new RpcClient(peers.caller, peers.platform)
  await client.unary(methods.addMember, server, peerOf(3), noOptions)
  await client.unary(methods.removeMember, server, peerOf(3), noOptions)
  assert.deepEqual(await client.unary(methods.recoverLocal, server, cidOf(4), noOptions), { ...pinInfoOf(0, server), cid: cidOf(4) })
  assert.deepEqual((await Array.fromAsync(client.stream(methods.idStream, server, [], noOptions))).flat(), [informationOf(server, 'served')])
  peers.service.statuses = [[pinInfoOf(1, server)]]
  assert.deepEqual((await Array.fromAsync(client.stream(methods.statusAll, server, [], noOptions))).flat(), [pinInfoOf(1, server)], 'without a filter')
  assert.deepEqual(peers.service.calls, [`addPeer ${peerOf(3)}`, `removePeer ${peerOf(3)}`, `recover ${cidOf(4)}`, 'id', 'statusAll 0'])
  await peers.stop()
})
