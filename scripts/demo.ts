/**
 * Shows a cluster at work on this machine: peers find each other, hold a file, lose one of its
 * holders, and make up for it. Takes less than a minute and leaves nothing behind.
 *
 *   npm run demo [-- --peers 5]
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { eventually, killPeer, mostPeers, startPeers, type DemoPeer } from './demo-peers.ts'

/** One holder is lost, and another peer must be left to take its place. */
const fewestPeers = 3
const fileName = 'logbook.txt'
const fileBytes = 1_000_000
/** The demo gives up after this time. */
const patienceMs = 120_000

interface Status { readonly cid: string, readonly peer_map: Readonly<Record<string, { readonly peername: string, readonly status: string }>> }
interface Pin { readonly allocations: readonly string[] }
interface Alert { readonly name: string, readonly peer: string }

const startedMs = performance.now()

function say (text: string): void {
  console.log(`${`${((performance.now() - startedMs) / 1000).toFixed(1)} s`.padStart(7)}  ${text}`)
}

function note (text: string): void { console.log(`         ${text}`) }
function pause (): void { console.log() }

async function ask<T> (peer: DemoPeer, path: string, signal: AbortSignal, init: RequestInit = {}): Promise<T> {
  const response = await fetch(`${peer.api}${path}`, { ...init, signal })
  if (!response.ok) throw new Error(await response.text())
  return await response.json() as T
}

async function demo (count: number, folder: string, signal: AbortSignal, peers: DemoPeer[]): Promise<void> {
  say(`Starting ${count} peers in ${folder}, each a process with an IPFS node of its own.`)
  await startPeers(count, folder, signal, peers)
  for (const { name, id, api } of peers) note(`${name.padEnd(9)} ${id}  ${api}`)
  await Promise.all(peers.map(peer => eventually(async () => (await seenBy(peer, signal)) === count ? true : undefined, signal)))
  say('Each of them sees all the others.')

  const replicas = Math.min(3, count - 1)
  const content = randomBytes(fileBytes / 2).toString('hex')
  const [entry] = peers as [DemoPeer]
  pause()
  say(`Adding ${fileName} (1 MB) at ${entry.name}; ${replicas} peers shall hold it.`)
  const cid = await add(entry, content, replicas, signal)
  const before = await eventually(() => held(entry, cid, replicas, signal), signal)
  note(`${cid} is there:`)
  show(before)

  const victim = peers.find(peer => peer !== entry && before.peer_map[peer.id]?.status === 'pinned') as DemoPeer
  const living = peers.filter(peer => peer !== victim)
  pause()
  say(`Killing ${victim.name}, which holds the file (kill -9).`)
  await killPeer(victim)
  await eventually(async () => (await ask<Alert[]>(entry, '/health/alerts', signal)).find(({ name, peer }) => name === 'ping' && peer === victim.id), signal)
  say(`${entry.name} raises the alert: nothing is heard of ${victim.name}. It gets a few seconds to come back, then its pins move.`)
  const after = await eventually(() => held(entry, cid, replicas, signal, victim), signal)
  const heir = living.find(peer => after.peer_map[peer.id]?.status === 'pinned' && before.peer_map[peer.id]?.status !== 'pinned') as DemoPeer
  say(`Repaired: ${heir.name} has fetched the file from the holders that are left.`)
  show(after)

  const response = await fetch(`${heir.gateway}/ipfs/${cid}`, { signal })
  const isSame = hash(Buffer.from(await response.arrayBuffer())) === hash(Buffer.from(content))
  if (!isSame) throw new Error(`${heir.gateway}/ipfs/${cid} gives something else`)
  pause()
  say(`Read ${heir.gateway}/ipfs/${cid}: the same ${content.length} bytes.`)
}

/** How many peers a peer sees that can be given pins, itself included. */
async function seenBy (peer: DemoPeer, signal: AbortSignal): Promise<number> {
  const [free, tags] = await Promise.all(['freespace', 'tag:group'].map(name => ask<unknown[]>(peer, `/monitor/metrics/${name}`, signal))) as [unknown[], unknown[]]
  return Math.min(free.length, tags.length)
}

async function add (peer: DemoPeer, content: string, replicas: number, signal: AbortSignal): Promise<string> {
  const form = new FormData()
  form.append('file', new Blob([content]), fileName)
  const added = await ask<ReadonlyArray<{ readonly cid: string }>>(peer, `/add?stream-channels=false&cid-version=1&replication-min=${replicas}&replication-max=${replicas}`, signal, { method: 'POST', body: form })
  return (added.at(-1) as { cid: string }).cid
}

/** The status of the file when `replicas` peers hold it, none of them `without`. */
async function held (peer: DemoPeer, cid: string, replicas: number, signal: AbortSignal, without?: DemoPeer): Promise<Status | undefined> {
  const { allocations } = await ask<Pin>(peer, `/allocations/${cid}`, signal)
  if (without !== undefined && allocations.includes(without.id)) return undefined
  const status = await ask<Status>(peer, `/pins/${cid}`, signal)
  return Object.values(status.peer_map).filter(info => info.status === 'pinned').length === replicas ? status : undefined
}

function show ({ peer_map: peers }: Status): void {
  for (const { peername, status } of Object.values(peers).toSorted((a, b) => a.peername < b.peername ? -1 : 1)) note(`  ${peername.padEnd(9)} ${status === 'remote' ? '-' : status}`)
}

function hash (bytes: Uint8Array): string { return createHash('sha256').update(bytes).digest('hex') }

async function main (): Promise<void> {
  const { values } = parseArgs({ options: { peers: { type: 'string', default: '5' } } })
  const count = Number(values.peers)
  if (!Number.isInteger(count) || count < fewestPeers || count > mostPeers) {
    console.error(`--peers takes a number from ${fewestPeers} to ${mostPeers}`)
    process.exit(1)
  }
  const interrupted = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => { interrupted.abort() })
  const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(patienceMs)])
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-demo-'))
  const peers: DemoPeer[] = []
  try {
    await demo(count, folder, signal, peers)
    say('Done. "npm start" starts a peer that stays; README.md tells how to make a cluster of several.')
  } catch (error) {
    process.exitCode = 1
    if (interrupted.signal.aborted) say('Interrupted.')
    else await tellFailure(signal.aborted ? new Error(`this took longer than ${patienceMs / 1000} s`) : error, peers)
  } finally {
    await Promise.all(peers.map(killPeer))
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function tellFailure (error: unknown, peers: readonly DemoPeer[]): Promise<void> {
  console.error(`the demo failed: ${error instanceof Error ? error.message : String(error)}`)
  for (const { name, logFile } of peers) console.error(`\nthe log of ${name} ends with:\n${(await readFile(logFile, 'utf8')).slice(-1_500)}`)
}

await main()
