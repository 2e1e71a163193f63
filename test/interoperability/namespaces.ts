import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Kind, ListedPeer } from './member.ts'

const ourPrograms = fileURLToPath(new URL('../../bin', import.meta.url))
const standIn = fileURLToPath(new URL('../../bench/fake-ipfs.mjs', import.meta.url))
const gatewayStandIn = fileURLToPath(new URL('internet-gateway.ts', import.meta.url))
const [apiPort, ipfsPort] = [9094, 5001]

/** Why network namespaces cannot be made here; false when they can. */
export function namespacesAreMissing (): string | false {
  if (spawnSync('ip', ['netns', 'add', 'flotilla-probe']).status !== 0) return 'network namespaces need root and the program ip'
  run('ip', ['netns', 'delete', 'flotilla-probe'])
  return false
}

export interface MachineOptions {
  readonly kind: Kind
  readonly name: string
  readonly environment?: Readonly<Record<string, string>>
  /** Listens on an address that no other machine has a way to, as behind a router. */
  readonly isHidden?: boolean
}

/** Machines with public addresses on one network that has no way out: each a network namespace with one cluster peer. */
export class Internet {
  readonly #prefix = `flotilla-${process.pid}`
  readonly #goPrograms: string
  readonly #folder: string
  readonly #machines: Machine[] = []
  #hosts = 10

  private constructor (goPrograms: string, folder: string) {
    this.#goPrograms = goPrograms
    this.#folder = folder
  }

  static async make (goPrograms: string): Promise<Internet> {
    const internet = new Internet(goPrograms, await mkdtemp(join(tmpdir(), 'internet-')))
    run('ip', ['netns', 'add', internet.#prefix])
    run('ip', ['-n', internet.#prefix, 'link', 'add', 'bridge', 'type', 'bridge'])
    run('ip', ['-n', internet.#prefix, 'link', 'set', 'bridge', 'up'])
    return internet
  }

  /** A machine with a peer whose configuration is made; the peer does not run yet. */
  add ({ kind, name, environment = {}, isHidden = false }: MachineOptions): Machine {
    const namespace = `${this.#prefix}-${name}`
    const address = `11.0.0.${++this.#hosts}`
    run('ip', ['netns', 'add', namespace])
    const machine = new Machine({ kind, name, namespace, address, folder: join(this.#folder, name), programs: kind === 'go' ? this.#goPrograms : ourPrograms, environment: isHidden ? { CLUSTER_LISTENMULTIADDRESS: `/ip4/${hiddenAddress(this.#hosts)}/tcp/9096`, ...environment } : environment })
    this.#machines.push(machine)
    run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
    run('ip', ['link', 'add', `v${this.#hosts}`, 'netns', this.#prefix, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace])
    run('ip', ['-n', this.#prefix, 'link', 'set', `v${this.#hosts}`, 'master', 'bridge', 'up'])
    run('ip', ['-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0'])
    run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up'])
    run('ip', ['-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0'])
    if (isHidden) run('ip', ['-n', namespace, 'address', 'add', `${hiddenAddress(this.#hosts)}/32`, 'dev', 'lo'])
    machine.initialize()
    return machine
  }

  async close (): Promise<void> {
    for (const machine of this.#machines) await machine.close()
    for (const { namespace } of this.#machines) spawnSync('ip', ['netns', 'delete', namespace])
    spawnSync('ip', ['netns', 'delete', this.#prefix])
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

interface MachineParts { readonly kind: Kind, readonly name: string, readonly namespace: string, readonly address: string, readonly folder: string, readonly programs: string, readonly environment: Readonly<Record<string, string>> }

export class Machine {
  readonly namespace: string
  readonly #parts: MachineParts
  readonly #environment: NodeJS.ProcessEnv
  readonly #processes: ChildProcess[] = []

  constructor (parts: MachineParts) {
    this.namespace = parts.namespace
    this.#parts = parts
    mkdirSync(parts.folder)
    this.#environment = {
      PATH: process.env.PATH,
      HOME: parts.folder,
      FLOTILLA_NODE: process.execPath,
      IPFS_CLUSTER_PATH: join(parts.folder, 'peer'),
      CLUSTER_PEERNAME: parts.name,
      CLUSTER_SECRET: '07'.repeat(32),
      CLUSTER_MDNSINTERVAL: '0s',
      CLUSTER_MONITORPINGINTERVAL: '2s',
      CLUSTER_LISTENMULTIADDRESS: '/ip4/0.0.0.0/tcp/9096',
      ...parts.environment,
    }
  }

  get id (): string { return (JSON.parse(readFileSync(join(this.#parts.folder, 'peer', 'identity.json'), 'utf8')) as { id: string }).id }
  get address (): string { return `/ip4/${this.#parts.address}/tcp/9096/p2p/${this.id}` }
  get log (): string {
    const file = join(this.#parts.folder, 'log')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  initialize (): void {
    run(join(this.#parts.programs, 'ipfs-cluster-service'), ['init', '--datastore', 'leveldb'], this.#environment)
  }

  /** Instead of a peer, runs a router that says to have mapped ports of this public address. */
  startGateway (publicAddress: string): void {
    const log = openSync(join(this.#parts.folder, 'log'), 'a')
    this.#processes.push(spawn('ip', ['netns', 'exec', this.namespace, process.execPath, gatewayStandIn, this.#parts.address, publicAddress], { env: this.#environment, stdio: ['ignore', log, log] }))
    closeSync(log)
  }

  /** Ends the peer in good order. */
  async stop (): Promise<void> {
    const daemon = this.#processes.at(-1) as ChildProcess
    const ended = once(daemon, 'exit')
    daemon.kill('SIGTERM')
    await ended
  }

  /** Starts the peer and its IPFS node and waits for its REST API. */
  async start (bootstrap: readonly Machine[] = []): Promise<void> {
    const log = openSync(join(this.#parts.folder, 'log'), 'a')
    const begin = (command: string[]): void => {
      this.#processes.push(spawn('ip', ['netns', 'exec', this.namespace, ...command], { env: this.#environment, stdio: ['ignore', log, log] }))
    }
    begin([process.execPath, standIn, String(ipfsPort)])
    begin([join(this.#parts.programs, 'ipfs-cluster-service'), 'daemon', ...bootstrap.length > 0 ? ['--bootstrap', bootstrap.map(({ address }) => address).join(',')] : []])
    closeSync(log)
    await this.until('its API to answer', () => this.list<object>('/id').length > 0)
  }

  /** The values of an answer of its REST API, one a line. Asked by a process in the namespace. */
  list<T> (path: string): T[] {
    const script = `const answer = await fetch('http://127.0.0.1:${apiPort}${path}'); process.stdout.write(await answer.text()); process.exitCode = answer.ok ? 0 : 1`
    const text = run('ip', ['netns', 'exec', this.namespace, process.execPath, '--input-type=module', '-e', script])
    return text.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as T)
  }

  /** The addresses under which it says that it is reached. */
  addresses (): string[] { return this.list<{ readonly addresses: string[] }>('/id')[0]?.addresses ?? [] }

  /** Names of the peers that answer it, in their order, and its own. */
  sees (): string[] { return this.list<ListedPeer>('/peers').filter(({ error }) => error === '').map(({ peername }) => peername).toSorted() }

  /** The TCP connections of its peer with others, by the address and port of the other side. */
  connections (): string[] {
    return run('ip', ['netns', 'exec', this.namespace, 'ss', '-tnH', 'state', 'established']).split('\n').filter(line => line.includes(':9096')).map(line => line.trim().split(/\s+/).slice(-2).join(' ')).toSorted()
  }

  async until (what: string, condition: () => boolean): Promise<void> {
    const end = Date.now() + 120_000
    let last: unknown
    while (Date.now() < end) {
      try {
        if (condition()) return
        last = undefined
      } catch (error) {
        last = error
      }
      await sleep(500)
    }
    throw new Error(`${this.#parts.name} waited in vain for ${what}; its log ends with:\n${this.log.slice(-2_000)}`, { cause: last })
  }

  async close (): Promise<void> {
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
  }
}

function hiddenAddress (host: number): string { return `10.99.0.${host}` }

/** Runs a program to its end; answers what it wrote. @throws Error with what it says of its failure */
export function run (program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { env, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr}`)
  return stdout
}
