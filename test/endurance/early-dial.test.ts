import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { withScratchPeer } from './scratch-peer.ts'

test('a peer that answers its user can be dialled by other peers', () => withScratchPeer(async peer => {
  for (let n = 0; n < 3; n++) {
    await peer.start()
    const socket = connect(peer.clusterPort, '127.0.0.1')
    await once(socket, 'connect')
    // The first word of the private network: the network has it in hand.
    await once(socket, 'data')
    socket.destroy()
    await peer.end('SIGTERM')
  }
}))
