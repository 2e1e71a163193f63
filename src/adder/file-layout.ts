import type { DagWriter } from './dag-writer.ts'
import { encodeFileNode, type FileLink } from './unixfs-node.ts'

/** Most children of a node, as Kubo has it. */
const maxLinks = 174
/** How many subtrees of one depth a trickle node gets before the next are deeper. */
const trickleRepeat = 4

/** Joins the leaves of one file, in order, into a DAG. */
export interface FileLayout {
  /** What the node of a leaf says that it is, when leaves are nodes. */
  readonly leafKind: 'file' | 'raw'
  addLeaf (link: FileLink): void
  /** The root; without any leaf it is the empty file. */
  finish (): FileLink
}

export interface LayoutOptions {
  readonly layout: 'balanced' | 'trickle'
  readonly rawLeaves: boolean
}

export function fileLayout (options: LayoutOptions, writer: DagWriter): FileLayout {
  return options.layout === 'trickle' ? trickleLayout(writer) : balancedLayout(options.rawLeaves, writer)
}

/** All leaves at the same depth. A node is put as soon as it is full or nothing more comes. */
function balancedLayout (rawLeaves: boolean, writer: DagWriter): FileLayout {
  /** The open node of each level; level 0 holds leaves. */
  const levels: FileLink[][] = [[]]

  function add (level: number, link: FileLink): void {
    const links = levels[level] ??= []
    links.push(link)
    if (links.length === maxLinks) close(level)
  }

  function close (level: number): void {
    const links = levels[level] as FileLink[]
    levels[level] = []
    add(level + 1, putNode(links, writer))
  }

  return {
    leafKind: 'file',
    addLeaf: link => add(0, link),
    finish () {
      for (let level = 0; level < levels.length; level++) {
        const links = levels[level] as FileLink[]
        const isTop = level === levels.length - 1
        if (isTop && links.length === 1) return links[0] as FileLink
        if (links.length > 0) close(level)
      }
      return putEmptyFile(rawLeaves, writer)
    },
  }
}

/** A node of a trickle DAG that still takes children. */
interface TrickleNode {
  readonly links: FileLink[]
  /** Its subtrees are less deep than this; the root's grow without end. */
  readonly maxDepth: number
  depth: number
  repeat: number
}

/** Leaves first, then subtrees, four of each depth: good to read in order. The root is never a leaf. */
function trickleLayout (writer: DagWriter): FileLayout {
  const open: TrickleNode[] = [{ links: [], maxDepth: Infinity, depth: 1, repeat: 0 }]
  const top = (): TrickleNode => open.at(-1) as TrickleNode

  /** Puts the deepest open node and hangs it into the one above. */
  function close (): void {
    const link = putNode((open.pop() as TrickleNode).links, writer)
    const parent = top()
    parent.links.push(link)
    if (++parent.repeat === trickleRepeat) {
      parent.repeat = 0
      parent.depth++
    }
  }

  return {
    leafKind: 'raw',
    addLeaf (link) {
      while (top().links.length >= maxLinks) {
        const node = top()
        if (node.depth < node.maxDepth) open.push({ links: [], maxDepth: node.depth, depth: 1, repeat: 0 })
        else close()
      }
      top().links.push(link)
    },
    finish () {
      while (open.length > 1) close()
      return putNode(top().links, writer)
    },
  }
}

function putNode (children: readonly FileLink[], writer: DagWriter): FileLink {
  const bytes = encodeFileNode(children)
  let size = bytes.length
  let contentBytes = 0
  for (const child of children) {
    size += child.size
    contentBytes += child.contentBytes
  }
  return { cid: writer.put('dag-pb', bytes), size, contentBytes }
}

function putEmptyFile (rawLeaves: boolean, writer: DagWriter): FileLink {
  if (!rawLeaves) return putNode([], writer)
  return { cid: writer.put('raw', new Uint8Array(0)), size: 0, contentBytes: 0 }
}
