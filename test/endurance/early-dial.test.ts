import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ScratchPeer } from './scratch-peer.ts'

test('a peer that answers its user can be dialled by other peers', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'early-dial-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const peer = await ScratchPeer.make(folder)
  t.after(() => peer.close())
  for (let n = 0; n < 3; n++) {
    await peer.start()
    const socket = connect(peer.clusterPort, '127.0.0.1')
    await once(socket, 'connect')
    // The first word of the private network: the network has it in hand.
    await once(socket, 'data')
    socket.destroy()
    await peer.end('SIGTERM')
  }
})
