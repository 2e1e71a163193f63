import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { connectedNetworks, until, type TestNetwork } from './network.fixture.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('streams that the other side resets as it takes them are forgotten', async t => {
  const [a, b] = await connectedNetworks(t, 2) as [TestNetwork, TestNetwork]
  b.network.handle('/refused', stream => { stream.reset() })
  const opened: Array<WeakRef<object>> = []
  const open = async (): Promise<void> => { opened.push(new WeakRef(await a.network.open(b.self, '/refused', {}))) }
  for (let i = 0; i < 50; i++) await open()
  // Some may still be held by what goes on at the moment.
  await until(() => {
    collectGarbage()
    return opened.filter(stream => stream.deref() !== undefined).length < 5
  })
})
