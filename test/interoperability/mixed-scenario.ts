import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Kind, ListedStatus, Member } from './member.ts'
import { assertSame, cidsOf, MixedCluster } from './mixed-cluster.ts'

export interface ScenarioOptions {
  readonly ours: number
  readonly go: number
  /** Changes that each kind of peer makes. */
  readonly pins: number
  readonly unpins: number
  readonly goPrograms: string | undefined
  readonly patienceMs: number
  readonly say: (line: string) => void
}

const replication = 2
const fileBytes = 1_000_000

/** Quick to notice a death, but not so quick that peers on a busy machine seem to die; a delta for a hundred changes, so that the Go program keeps up. */
const environment = {
  CLUSTER_MONITORPINGINTERVAL: '3s',
  CLUSTER_DISK_METRICTTL: '6s',
  CLUSTER_TAGS_METRICTTL: '6s',
  CLUSTER_DISABLEREPINNING: 'false',
  CLUSTER_REPINGRACEPERIOD: '5s',
  CLUSTER_CRDT_REBROADCASTINTERVAL: '5s',
  CLUSTER_CRDT_BATCHING_MAXBATCHSIZE: '100',
  CLUSTER_CRDT_BATCHING_MAXBATCHAGE: '500ms',
}

/**
 * What operators do with a cluster, on one whose peers are of one or both kinds: pins, unpins and
 * files at peers of each kind; deaths of one peer of each kind; peers that join; one without the
 * secret and one that nobody trusts. All pinsets are compared at the end.
 * @throws AssertionError with what is wrong
 */
export async function mixedScenario (options: ScenarioOptions): Promise<void> {
  const cluster = await MixedCluster.make({ goPrograms: options.goPrograms, environment, patienceMs: options.patienceMs })
  try {
    await new Scenario(cluster, options).run()
  } finally {
    await cluster.close()
  }
}

class Scenario {
  readonly #cluster: MixedCluster
  readonly #options: ScenarioOptions
  /** The kinds that take part. */
  readonly #kinds: readonly Kind[]
  /** What has to be pinned. */
  readonly #expected = new Set<string>()
  #trust: Readonly<Record<string, string>> = {}
  readonly #startedAt = performance.now()

  constructor (cluster: MixedCluster, options: ScenarioOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#kinds = (['ours', 'go'] as const).filter(kind => options[kind] > 0)
  }

  async run (): Promise<void> {
    const cluster = this.#cluster
    const { ours, go } = this.#options
    const first = await this.#prepare([...Array<Kind>(ours).fill('ours'), ...Array<Kind>(go).fill('go')])
    const newcomers = await this.#prepare(this.#kinds)
    this.#trust = { CLUSTER_CRDT_TRUSTEDPEERS: cluster.members.map(({ id }) => id).join(',') }

    await this.#step(`${first.map(({ name }) => name).join(', ')} see each other`, () => cluster.start(first, this.#trust))
    await this.#step(`${this.#options.pins} pins at a peer of each kind, acknowledged`, () => this.#pin())
    await this.#step('the same pins at all', () => cluster.converge(this.#expected))
    await this.#step(`${this.#options.unpins} unpins at a peer of each kind, the same pins at all`, () => this.#unpin())
    await this.#step('every pin held by two, as peers of each kind see it', () => this.#settle())
    await this.#step('a file added at a peer of each kind, its blocks at two', () => this.#add())
    await this.#step('peers ls, status, pin ls, health graph, recover and ipfs gc of each kind\'s own ctl agree', () => this.#compareCommands())
    await this.#step('peers without the secret are not let in', () => this.#refuseStrangers())
    await this.#step('what peers say whom nobody trusts changes nothing', () => this.#ignoreUntrusted())
    await this.#step(`new peers (${newcomers.map(({ name }) => name).join(', ')}) have all pins`, async () => {
      await cluster.start(newcomers, this.#trust)
      await cluster.converge(this.#expected)
    })
    for (const kind of this.#kinds) await this.#lose(kind)
    await this.#step('all pinsets are equal at the end, also in what a stopped peer exports', () => this.#compareExports())
  }

  async #prepare (kinds: readonly Kind[]): Promise<Member[]> {
    const members: Member[] = []
    for (const kind of kinds) members.push(await this.#cluster.prepare(kind))
    return members
  }

  /** A member of each kind. */
  get #representatives (): Member[] { return this.#kinds.map(kind => this.#cluster.of(kind)[0] as Member) }

  async #pin (): Promise<void> {
    await Promise.all(this.#representatives.map(async member => {
      const cids = cidsOf(member.kind, this.#options.pins)
      const startedAt = performance.now()
      await this.#cluster.pin(member, cids, replication)
      this.#note(`${member.name}: ${rate(cids.length, startedAt)} pins/s`)
      for (const cid of cids) this.#expected.add(cid)
    }))
  }

  /** Each kind takes back what the other has pinned, where there is another. */
  async #unpin (): Promise<void> {
    await Promise.all(this.#representatives.map(async (member, i) => {
      const other = this.#kinds[(i + 1) % this.#kinds.length] as Kind
      const cids = cidsOf(other, this.#options.unpins)
      await this.#cluster.unpin(member, cids)
      for (const cid of cids) this.#expected.delete(cid)
    }))
    await this.#cluster.converge(this.#expected)
  }

  async #settle (): Promise<void> {
    for (const member of this.#representatives) await this.#cluster.settle(member, replication)
  }

  async #add (): Promise<void> {
    const { members, living } = this.#cluster
    for (const member of this.#representatives) {
      const before = await Promise.all(living.map(blockBytes))
      const form = new FormData()
      form.append('file', new Blob([randomBytes(fileBytes)]), 'random')
      const added = await member.list<Array<{ readonly cid: string, readonly allocations: readonly string[] }>>(`/add?stream-channels=false&replication=${replication}`, { method: 'POST', body: form })
      const root = added.flat().at(-1)
      assert.ok(root !== undefined)
      assert.equal(root.allocations.length, replication)
      const grown = await Promise.all(living.map(async (peer, i) => await blockBytes(peer) - (before[i] as number)))
      for (const [i, peer] of living.entries()) {
        if (!root.allocations.includes(peer.id)) assert.equal(grown[i], 0, `${peer.name} got blocks of a file that it does not hold`)
        else assert.ok((grown[i] as number) >= fileBytes, `${peer.name} has ${grown[i]} bytes of a file of ${fileBytes}`)
      }
      this.#expected.add(root.cid)
      this.#note(`added at ${member.name}: held by ${root.allocations.map(id => members.find(peer => peer.id === id)?.name).join(' and ')}`)
    }
    await this.#cluster.converge(this.#expected)
    await this.#settle()
  }

  /** The programs of each kind, asking each kind of peer. Waits: a busy Go peer may pin anew what it takes for lost. */
  async #compareCommands (): Promise<void> {
    await this.#cluster.wait('the commands to agree', async () => {
      this.#compareAnswers()
      return true
    })
  }

  #compareAnswers (): void {
    const names = this.#cluster.living.map(({ name }) => name).toSorted()
    const answers = this.#representatives.flatMap(asking => this.#representatives.map(asked => {
      const peers = asking.ctl(['peers', 'ls'], asked).match(/^\S+ \| (\S+) \| Sees \d+ other peers$/gm) ?? []
      assert.deepEqual(peers.map(line => line.split(' | ')[1]).toSorted(), names, `peers ls of ${asking.name} at ${asked.name}`)
      const statuses = jsonValues<ListedStatus>(asking.ctl(['--enc', 'json', 'status'], asked))
        .map(({ cid, peer_map: peers }) => `${cid} ${Object.values(peers).map(({ peername, status }) => `${peername}:${status}`).toSorted().join(' ')}`)
      const pins = asking.ctl(['pin', 'ls'], asked).trimEnd().split('\n')
      assert.equal(asking.ctl(['recover'], asked), '', 'there is nothing to recover')
      assert.deepEqual(asking.ctl(['ipfs', 'gc'], asked).match(/^\w+(?= *$)/gm)?.toSorted(), names, `ipfs gc of ${asking.name} at ${asked.name}`)
      return { statuses: statuses.toSorted(), pins: pins.toSorted() }
    }))
    for (const asked of this.#representatives) {
      const graphs = this.#representatives.map(asking => asking.ctl(['health', 'graph'], asked).split('\n').toSorted())
      for (const graph of graphs) {
        assertSame(graph, graphs[0] ?? [], `health graph at ${asked.name}`)
        // Everybody is connected to everybody.
        assert.equal(graph.filter(line => /^[CT]\d+ -> [CT]\d+$/.test(line)).length, names.length * (names.length - 1))
      }
    }
    const [one] = answers
    assert.equal(one?.pins.length, this.#expected.size)
    assert.equal(one.statuses.length, this.#expected.size)
    for (const { statuses, pins } of answers) {
      assertSame(statuses, one.statuses, 'status')
      assertSame(pins, one.pins, 'pin ls')
    }
  }

  async #refuseStrangers (): Promise<void> {
    const cluster = this.#cluster
    const [known] = cluster.living as [Member]
    for (const kind of this.#kinds) {
      const stranger = await cluster.prepareStranger(kind, `stranger-${kind}`, { CLUSTER_SECRET: 'ab'.repeat(32) })
      try {
        await stranger.start([known.address])
        await cluster.wait(`${stranger.name} to be told no`, async () => /bootstrap to .* failed/.test(stranger.log))
        assert.deepEqual((await stranger.peers()).map(({ id }) => id), [stranger.id])
        assert.deepEqual(await stranger.pins(), [])
        for (const member of cluster.living) assert.ok(!(await member.peers()).some(({ id }) => id === stranger.id), member.name)
      } finally {
        await stranger.close()
      }
    }
  }

  async #ignoreUntrusted (): Promise<void> {
    const cluster = this.#cluster
    const [known] = cluster.living as [Member]
    const addresses = cluster.living.map(({ address }) => address)
    for (const kind of this.#kinds) {
      const untrusted = await cluster.prepareStranger(kind, `untrusted-${kind}`)
      try {
        await untrusted.start(addresses, this.#trust)
        await cluster.wait(`${untrusted.name} to be a member`, async () => (await known.peers()).some(({ id }) => id === untrusted.id) && (await untrusted.pins()).length === this.#expected.size)
        const [victim] = [...this.#expected] as [string]
        const [lie] = cidsOf(`untrusted ${kind}`, 1) as [string]
        await cluster.pin(untrusted, [lie], -1)
        await cluster.unpin(untrusted, [victim])
        // What a trusted peer says after that arrives everywhere, and what the other has said does not.
        const [truth] = cidsOf(`after ${kind}`, 1) as [string]
        await cluster.pin(known, [truth], -1)
        this.#expected.add(truth)
        for (const member of cluster.living) {
          await cluster.wait(`${member.name} to have what was pinned last`, async () => (await member.pins()).some(({ cid }) => cid === truth))
          const cids = new Set((await member.pins()).map(({ cid }) => cid))
          assert.ok(!cids.has(lie), `${member.name} has a pin of ${untrusted.name}`)
          assert.ok(cids.has(victim), `${member.name} has lost a pin by ${untrusted.name}`)
        }
      } finally {
        await untrusted.close()
      }
      await cluster.wait(`${untrusted.name} to be forgotten`, async () => (await Promise.all(cluster.living.map(member => cluster.seesAll(member)))).every(Boolean))
      await cluster.unpin(known, cidsOf(`after ${kind}`, 1))
      for (const cid of cidsOf(`after ${kind}`, 1)) this.#expected.delete(cid)
      await cluster.converge(this.#expected)
    }
  }

  async #lose (kind: Kind): Promise<void> {
    const candidates = this.#cluster.of(kind)
    const allocations = (await (candidates[0] as Member).pins()).flatMap(pin => pin.allocations)
    const pinsOf = (member: Member): number => allocations.filter(id => id === member.id).length
    const victim = candidates.toSorted((a, b) => pinsOf(b) - pinsOf(a))[0] as Member
    const held = pinsOf(victim)
    assert.ok(held > 0)
    await this.#step(`${victim.name} killed, its ${held} pins held by others, as peers of each kind see it`, async () => {
      await victim.end('SIGKILL')
      for (const member of this.#representatives) {
        await this.#cluster.wait(`${member.name} to raise the alert`, async () => member.ctl(['health', 'alerts']).includes(`${victim.id}: ping. Expired at: `))
      }
      await this.#settle()
      await this.#cluster.converge(this.#expected)
    })
  }

  async #compareExports (): Promise<void> {
    const { living } = this.#cluster
    // Together: those of the Go program move pins as soon as they miss a peer.
    await Promise.all(living.map(member => member.end('SIGTERM')))
    const expected = [...this.#expected].toSorted()
    for (const member of living) {
      const { exit, stdout, stderr } = member.run('ipfs-cluster-service', ['state', 'export'])
      assert.equal(exit, 0, stderr)
      assertSame(stdout.trimEnd().split('\n').map(line => (JSON.parse(line) as { cid: string }).cid).toSorted(), expected, `the export of ${member.name}`)
    }
  }

  async #step (what: string, work: () => Promise<void>): Promise<void> {
    const startedAt = performance.now()
    await work()
    this.#options.say(`${seconds(this.#startedAt).padStart(8)}  ${what} (${seconds(startedAt)})`)
  }

  #note (text: string): void { this.#options.say(`${''.padStart(10)}${text}`) }
}

async function blockBytes (member: Member): Promise<number> {
  return ((await (await member.node('repo/stat')).json()) as { RepoSize: number }).RepoSize
}

/** JSON objects that stand one after the other, as `--enc json` writes them. */
function jsonValues<T> (text: string): T[] {
  return text === '' ? [] : JSON.parse(`[${text.trimEnd().replaceAll('\n}\n{', '\n},\n{')}]`) as T[]
}

function seconds (since: number): string { return `${((performance.now() - since) / 1000).toFixed(1)} s` }
function rate (count: number, since: number): string { return (count * 1000 / (performance.now() - since)).toFixed(0) }
