import { spawnSync } from 'node:child_process'
import { errorText } from '../../src/domain/errors.ts'
import type { Machine } from '../interoperability/member.ts'
import { run } from '../interoperability/namespaces.ts'

/** Addresses for tests of networks (RFC 2544): those of the members among themselves, and those under which this process reaches them. */
const [clusterNet, outsideNet] = ['198.18.0', `198.19.${process.pid % 256}`]
const firstHost = 10

/** Why machines of their own cannot be made here; false when they can. */
export function machinesAreMissing (): string | false {
  try {
    const network = new MachineNetwork()
    try {
      network.limit(network.add(), 1_000_000)
    } finally {
      network.close()
    }
    return false
  } catch (error) {
    return `machines of their own need root and the programs ip and tc: ${errorText(error)}`
  }
}

/**
 * Machines, each a network namespace, on a network that has no way out and can be cut: what is sent
 * over a cut is lost without a word, as where a cable is pulled out between two switches.
 */
export class MachineNetwork {
  readonly #name = `fl${process.pid}`
  readonly #machines: Machine[] = []

  /** @throws Error when it may not be made here */
  constructor () {
    try {
      ip('netns', 'add', this.#name)
      for (const side of [0, 1]) {
        ip('-n', this.#name, 'link', 'add', `side${side}`, 'type', 'bridge')
        ip('-n', this.#name, 'link', 'set', `side${side}`, 'up')
      }
      ip('link', 'add', this.#name, 'type', 'bridge')
      ip('link', 'set', this.#name, 'up')
      ip('address', 'add', `${outsideNet}.1/24`, 'dev', this.#name)
    } catch (error) {
      this.close()
      throw error
    }
  }

  add (): Machine {
    const n = this.#machines.length
    const machine: Machine = { namespace: `${this.#name}-${n}`, clusterHost: `${clusterNet}.${firstHost + n}`, host: `${outsideNet}.${firstHost + n}` }
    const { namespace } = machine
    ip('netns', 'add', namespace)
    this.#machines.push(machine)
    ip('-n', namespace, 'link', 'set', 'lo', 'up')
    ip('link', 'add', this.#cable(machine), 'netns', this.#name, 'type', 'veth', 'peer', 'name', 'cluster', 'netns', namespace)
    ip('link', 'add', `${this.#name}-${n}`, 'type', 'veth', 'peer', 'name', 'outside', 'netns', namespace)
    ip('link', 'set', `${this.#name}-${n}`, 'master', this.#name, 'up')
    for (const [device, address] of [['cluster', machine.clusterHost], ['outside', machine.host]] as const) {
      ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', device)
      ip('-n', namespace, 'link', 'set', device, 'up')
    }
    this.connect([machine], 0)
    return machine
  }

  /** Plugs machines in on one of two sides, which have no connection with each other. */
  connect (machines: readonly Machine[], side: 0 | 1): void {
    for (const machine of machines) ip('-n', this.#name, 'link', 'set', this.#cable(machine), 'master', `side${side}`, 'up')
  }

  /** Lets so many bits a second through to a machine, with a queue of 200 ms; all of them when it is undefined. */
  limit (machine: Machine, bitsPerSecond: number | undefined): void {
    const device = ['-n', this.#name, 'qdisc', bitsPerSecond === undefined ? 'del' : 'add', 'dev', this.#cable(machine), 'root']
    run('tc', bitsPerSecond === undefined ? device : [...device, 'tbf', 'rate', `${bitsPerSecond}bit`, 'burst', '8kbit', 'latency', '200ms'])
  }

  /** To be called when nothing runs on the machines any more. */
  close (): void {
    for (const { namespace } of this.#machines) spawnSync('ip', ['link', 'delete', namespace])
    for (const namespace of [...this.#machines.map(({ namespace }) => namespace), this.#name]) spawnSync('ip', ['netns', 'delete', namespace])
    spawnSync('ip', ['link', 'delete', this.#name])
  }

  #cable (machine: Machine): string { return `cable${this.#machines.indexOf(machine)}` }
}

function ip (...args: string[]): void { run('ip', args) }
