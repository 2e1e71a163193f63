import type { PeerId } from '../../domain/peer.ts'
import type { Random } from '../../platform/random.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import type { DeltaNode } from './delta.ts'
import type { ReplicaKeys } from './keys.ts'
import { readFew } from './read-few.ts'
import { isBlockOf, linksOf, noBlock, readNode, type ReadNode } from './read-node.ts'
import type { ForeignNode } from './replica.ts'
import { WaitingNodes } from './waiting-nodes.ts'
import type { Announcement, Arrival, Lost, Needed, Wanted } from './walk-nodes.ts'
import type { WalkChange, WalkRecord, WalkRecords } from './walk-records.ts'

/** Nodes that one step merges: one batch of the store. */
const maxMergedNodes = 512
/** Elements and tombstones that one step merges: local changes and everything else wait for as long as that takes, some 50 ms. */
const maxMergedElements = 1_000
/** Bytes of blocks that one step reads back from the store. */
const maxReadBytes = 8 * 1024 * 1024
/** And of these what it reads before it looks whether there is enough to merge. */
const maxReadAtOnceBytes = 512 * 1024
/** Nodes that one step looks at because what they waited for is merged. */
const maxExamined = 1_024

interface Known { isDone: boolean, record: WalkRecord | undefined }

export interface StepContext {
  readonly store: Store
  readonly keys: ReplicaKeys
  readonly records: WalkRecords
  readonly random: Random
}

/**
 * One step of the walk: takes what has come, finds what can be merged and what is to be fetched.
 * Nothing is written here: {@link operations} and {@link merged} go into one batch.
 */
export class WalkStep {
  readonly #context: StepContext
  readonly change: WalkChange
  readonly #known = new Map<string, Known>()
  readonly #waiting: WaitingNodes
  readonly #nodesHere = new Map<string, DeltaNode>()
  readonly #outOfTheWay: string[] = []
  readonly #blocks: StoreOperation[] = []
  #elements = 0
  #readBytes = 0
  #examined = 0

  /** Nodes to merge, ancestors first. */
  readonly merged: ForeignNode[] = []
  readonly #wanted: Wanted[] = []
  /** Nodes that were put aside as unreadable, with the reason. */
  readonly bad: Array<{ readonly node: string, readonly reason: string, readonly from: PeerId | undefined }> = []
  /** Peers that sent a block under the name of another one. */
  readonly forged: PeerId[] = []
  /** Nodes that are given up: what follows them is merged without them. */
  holes = 0
  /** Nodes whose blocks came and could be used. */
  arrived = 0
  /** There are nodes left that waited for what is out of the way now. */
  leavesDrains = false

  constructor (context: StepContext) {
    this.#context = context
    this.change = context.records.change()
    this.#waiting = new WaitingNodes(context.records, this.change)
  }

  /** What the batch has to write besides the merge of {@link merged}. */
  operations (): StoreOperation[] {
    const dirty: StoreOperation[] = this.holes > 0 ? [{ type: 'put', key: this.#context.keys.dirty, value: nothing }] : []
    return [...this.#blocks, ...this.change.operations(), ...dirty]
  }

  /** What has to be fetched now. */
  get wanted (): Wanted[] {
    return this.#wanted.filter(({ node }) => {
      const { isDone, record } = this.#get(node)
      return !isDone && (record?.state === 'fetch' || record?.state === 'hole')
    })
  }

  /** No more nodes are looked at. */
  get isFull (): boolean {
    return this.#mergesEnough || this.#readBytes >= maxReadBytes || this.#examined >= maxExamined
  }

  /** What was read is merged all the same up to this: steps that but read would go on for ever. */
  get #mergesEnough (): boolean { return this.merged.length >= maxMergedNodes || this.#elements >= maxMergedElements }

  async announce (announcements: readonly Announcement[]): Promise<void> {
    await this.#look(announcements.map(({ node }) => node))
    const arrivals: Arrival[] = []
    for (const { node, from, block } of announcements) {
      const known = this.#get(node)
      if (known.isDone || (known.record !== undefined && known.record.state !== 'fetch' && known.record.state !== 'hole')) continue
      if (known.record === undefined) this.#set(node, { state: 'fetch', isInner: false, isLinked: false, from })
      if (block !== undefined && isBlockOf(node, block)) {
        arrivals.push({ node, from, block })
        continue
      }
      if (block !== undefined && from !== undefined) this.forged.push(from)
      this.#wanted.push({ node, from, isLinked: false })
    }
    await this.arrive(arrivals)
  }

  /** Takes blocks; of those that follow each other, the newest come first. */
  async arrive (arrivals: readonly Arrival[]): Promise<void> {
    await this.#look(arrivals.map(({ node }) => node))
    const read = arrivals.map(({ node, block }) => readNode(node, block))
    await this.#look(read.flatMap(({ node }) => node === undefined ? [] : linksOf(node)))
    const nodes: Array<{ node: DeltaNode, from: PeerId | undefined }> = []
    for (const [i, { node: name, from }] of arrivals.entries()) {
      if (!this.#isToCome(name)) continue
      const { node, isForged, reason } = read[i] as ReadNode
      if (isForged && from !== undefined) this.forged.push(from)
      if (isForged) continue
      if (node === undefined) {
        this.#putAside(name, reason, from)
        continue
      }
      nodes.push({ node, from })
      // What it follows may come with it.
      const isInner = this.#isInner(name)
      for (const link of linksOf(node)) if (!this.#isOutOfTheWay(link)) this.#need(link, isInner, from)
    }
    // Ancestors have lower priorities: in this order a chain goes through at once.
    for (const { node, from } of nodes.toSorted((a, b) => a.node.delta.priority - b.node.delta.priority)) {
      if (this.#isToCome(node.blockId.slice(1))) this.#place(node, from, true)
    }
  }

  /** Whether the block of the node is waited for. */
  #isToCome (node: string): boolean {
    const { isDone, record } = this.#get(node)
    if (record?.state !== 'fetch' && record?.state !== 'hole') return false
    if (!isDone) return true
    this.#madeHere(node)
    return false
  }

  /** The node was made here too, by the same change on the same heads, since somebody told of it. */
  #madeHere (node: string): void {
    this.#set(node, undefined)
    this.#outOfTheWay.push(node)
  }

  /** Nodes that merged ones follow, but that are not merged themselves; or are, but have lost their block. */
  async need (nodes: readonly Needed[]): Promise<void> {
    await this.#look(nodes.map(({ node }) => node))
    for (const { node, isLost } of nodes) {
      const known = this.#get(node)
      if (isLost && known.isDone) {
        known.isDone = false
        this.#blocks.push({ type: 'del', key: this.#context.keys.processed(node) })
      }
      if (!known.isDone && known.record === undefined) this.#need(node, true, undefined)
    }
  }

  /** Goes on without blocks that could not be had. */
  async giveUp (nodes: readonly Lost[]): Promise<void> {
    await this.#look(nodes.map(({ node }) => node))
    for (const { node, isLinked } of nodes) {
      const { record } = this.#get(node)
      if (!this.#isToCome(node) || record?.state !== 'fetch') continue
      // Nothing depends on it: whoever has it will tell of it again.
      if (!record.isLinked) { this.#set(node, undefined); continue }
      // It was given up as one of these: only now there is something that follows it.
      if (!isLinked) { this.#wanted.push({ node, from: record.from, isLinked: true }); continue }
      this.#set(node, { state: 'hole' })
      this.holes++
      this.#outOfTheWay.push(node)
    }
  }

  /** Lets go on who waited for nodes that are out of the way; first those left from earlier steps. */
  async drain (left: readonly string[]): Promise<void> {
    let drains = [...left, ...this.#outOfTheWay.splice(0)]
    const earlier = new Set(left)
    while (drains.length > 0) {
      for (const drained of drains) {
        const isDrained = !this.isFull && await this.#drainOne(drained)
        if (!isDrained) {
          this.change.setDrain(drained, true)
          this.leavesDrains = true
        } else if (earlier.has(drained)) this.change.setDrain(drained, false)
      }
      drains = this.#outOfTheWay.splice(0)
    }
  }

  /** Takes nodes that were ready in earlier steps. */
  async takeReady (): Promise<void> {
    const { records } = this.#context
    if (this.isFull || records.summary.ready === 0) return
    await this.#takeStored(await records.listed('ready', maxMergedNodes - this.merged.length))
  }

  /** True when all that waited for the node has been looked at. */
  async #drainOne (drained: string): Promise<boolean> {
    const limit = maxExamined - this.#examined
    const { names, mayBeMore, first } = await this.#waiting.find(drained, limit)
    if (names.length === 0) return true
    await this.#look(names)
    // Those of this step are not on disk yet, others may have moved in it.
    const waiting = names.filter(node => {
      const { record } = this.#get(node)
      return record?.state === 'waits' && record.on === drained
    })
    this.#examined += waiting.length
    const isDrained = await this.#takeStored(waiting) && !mayBeMore
    const left = first === undefined ? undefined : this.#get(first).record
    // Not looked at yet: it goes to the others.
    if (first !== undefined && left?.state === 'waits' && left.on === drained) this.#set(first, { ...left, isListed: true })
    this.#waiting.drained(drained, isDrained)
    return isDrained
  }

  /** Places stored nodes as far as they may be read and merged; true when that were all. */
  async #takeStored (names: readonly string[]): Promise<boolean> {
    await this.#look(names)
    for (let at = 0; at < names.length;) {
      if (this.#mergesEnough || this.#readBytes >= maxReadBytes) return false
      const taken: string[] = []
      const enough = this.#readBytes + maxReadAtOnceBytes
      for (; at < names.length && this.#readBytes < enough; at++) {
        const name = names[at] as string
        const { isDone, record } = this.#get(name)
        if (record?.state !== 'waits' && record?.state !== 'ready') continue
        if (isDone) { this.#madeHere(name); continue }
        this.#readBytes += record.sizeBytes
        taken.push(name)
      }
      await this.#placeStored(taken)
    }
    return true
  }

  async #placeStored (taken: readonly string[]): Promise<void> {
    const { store, keys } = this.#context
    const toRead = taken.filter(name => !this.#nodesHere.has(name))
    const blocks = await readFew(store, toRead.map(name => keys.block(name)))
    for (const [i, name] of toRead.entries()) {
      const block = blocks[i]
      const { node, isForged, reason } = block === undefined ? noBlock : readNode(name, block)
      if (node !== undefined) this.#nodesHere.set(name, node)
      // A block that went lost is fetched once more.
      else if (isForged) this.#want(name, undefined)
      else this.#putAside(name, reason, undefined)
    }
    const nodes = taken.flatMap(name => this.#nodesHere.get(name) ?? [])
    await this.#look(nodes.flatMap(linksOf))
    for (const node of nodes) this.#place(node, undefined, false)
  }

  /** Merges a node if its ancestors are; otherwise it waits for one of them. */
  #place (node: DeltaNode, from: PeerId | undefined, isNew: boolean): void {
    const name = node.blockId.slice(1)
    const isInner = this.#isInner(name)
    this.change.sawPriority(node.delta.priority)
    const missing = linksOf(node).filter(link => !this.#isOutOfTheWay(link))
    const sizeBytes = node.bytes.length
    if (isNew) this.arrived++
    if (missing.length === 0 && !this.#mergesEnough) {
      this.#set(name, undefined)
      this.#known.set(name, { isDone: true, record: undefined })
      this.merged.push({ node, isInner, isStored: !isNew, from })
      this.#elements += node.delta.elements.length + node.delta.tombstones.length
      this.#outOfTheWay.push(name)
      return
    }
    if (isNew) this.#blocks.push({ type: 'put', key: this.#context.keys.block(name), value: node.bytes })
    if (missing.length === 0) {
      this.#set(name, { state: 'ready', isInner, sizeBytes })
      return
    }
    for (const link of missing) this.#need(link, isInner, from)
    // At random, so that a node with very many links is looked at only a few times.
    const on = missing[this.#context.random.integer(missing.length)] as string
    this.#set(name, { state: 'waits', isInner, on, isListed: this.#waiting.add(name, on), sizeBytes })
    this.#nodesHere.set(name, node)
  }

  #need (node: string, isInner: boolean, from: PeerId | undefined): void {
    const { record } = this.#get(node)
    if (record === undefined) {
      this.#set(node, { state: 'fetch', isInner, isLinked: true, from })
      this.#wanted.push({ node, from, isLinked: true })
    } else if (record.state === 'fetch' && !record.isLinked) {
      this.#set(node, { ...record, isLinked: true })
      this.#wanted.push({ node, from: record.from, isLinked: true })
    }
  }

  #want (node: string, from: PeerId | undefined): void {
    this.#set(node, { state: 'fetch', isInner: this.#isInner(node), isLinked: true, from })
    this.#wanted.push({ node, from, isLinked: true })
  }

  /** Puts a block aside that is no delta node: it never will be, so nobody need wait for it. */
  #putAside (name: string, reason: string, from: PeerId | undefined): void {
    this.bad.push({ node: name, reason, from })
    this.#set(name, { state: 'bad' })
    this.#outOfTheWay.push(name)
  }

  /** Whether nodes that follow it are merged already. */
  #isInner (node: string): boolean {
    const { record } = this.#get(node)
    return record === undefined || !('isInner' in record) || record.isInner
  }

  #isOutOfTheWay (node: string): boolean {
    const { isDone, record } = this.#get(node)
    return isDone || record?.state === 'hole' || record?.state === 'bad'
  }

  #set (node: string, record: WalkRecord | undefined): void {
    const known = this.#get(node)
    this.change.set(node, known.record, record)
    known.record = record
  }

  #get (node: string): Known {
    const known = this.#known.get(node)
    if (known === undefined) throw new Error(`${node} was not looked up`)
    return known
  }

  /** Learns how nodes stand. */
  async #look (nodes: readonly string[]): Promise<void> {
    const { store, keys, records } = this.#context
    const unknown = [...new Set(nodes)].filter(node => !this.#known.has(node))
    if (unknown.length === 0) return
    const [done, found] = await Promise.all([readFew(store, unknown.map(node => keys.processed(node))), records.getMany(unknown)])
    for (const [i, node] of unknown.entries()) this.#known.set(node, { isDone: done[i] !== undefined, record: found[i] })
  }
}

const nothing = new Uint8Array(0)
