import { ClusterError } from '../domain/errors.ts'
import type { DagWriter } from './dag-writer.ts'
import { putShardedDirectory } from './hamt.ts'
import { encodeDirectory, type Link, type NamedLink } from './unixfs-node.ts'

/** A folder with more than this many bytes of names and CIDs is spread over many blocks, as Kubo has it. */
const maxFolderBytes = 256 * 1024

/** A folder whose content is still coming. */
export interface Folder { readonly children: Map<string, Folder | Link> }

/** A folder that is done. `path` is relative to the one that was put as a whole. */
export interface PutFolder extends Link { readonly path: string }

export function emptyFolder (): Folder {
  return { children: new Map() }
}

/**
 * Goes to the folder at `segments` below `root`, making what is missing.
 * @throws ClusterError `ADD_REFUSED` when a file is in the way
 */
export function folderAt (root: Folder, segments: readonly string[]): Folder {
  let folder = root
  for (const segment of segments) {
    let child = folder.children.get(segment)
    if (child === undefined) {
      child = emptyFolder()
      folder.children.set(segment, child)
    }
    if (!('children' in child)) throw entryExists()
    folder = child
  }
  return folder
}

/**
 * Puts a file into a folder; a file that came before under the same name is replaced.
 * @throws ClusterError `ADD_REFUSED` when a folder is in the way
 */
export function setFile (folder: Folder, name: string, link: Link): void {
  const there = folder.children.get(name)
  if (there !== undefined && 'children' in there) throw entryExists()
  folder.children.set(name, link)
}

/** Puts the blocks of a folder and of all below; yields each, the inner ones first, in the order of their names. */
export async function * putFolder (folder: Folder, path: string, writer: DagWriter): AsyncGenerator<PutFolder, Link> {
  const links: NamedLink[] = []
  for (const [name, child] of sortedByName(folder.children)) {
    const link = 'children' in child ? yield * putFolder(child, path === '' ? name : `${path}/${name}`, writer) : child
    links.push({ name, cid: link.cid, size: link.size })
  }
  folder.children.clear()
  const link = await putDirectory(links, writer)
  yield { ...link, path }
  return link
}

async function putDirectory (links: readonly NamedLink[], writer: DagWriter): Promise<Link> {
  let estimate = 0
  let size = 0
  for (const link of links) {
    estimate += Buffer.byteLength(link.name) + link.cid.length
    size += link.size
  }
  if (estimate > maxFolderBytes) return putShardedDirectory(links, writer)
  const bytes = encodeDirectory(links)
  const cid = writer.put('dag-pb', bytes)
  await writer.ready()
  return { cid, size: size + bytes.length }
}

/** In the order of the names' bytes, which is not that of JavaScript's comparison. */
function sortedByName<T> (children: ReadonlyMap<string, T>): Array<[string, T]> {
  return [...children].map(child => ({ child, key: Buffer.from(child[0]) }))
    .toSorted((a, b) => a.key.compare(b.key))
    .map(({ child }) => child)
}

/** What the reference says of a file and a folder under one name. */
export function entryExists (): ClusterError {
  return new ClusterError('ADD_REFUSED', 'directory already has entry by that name')
}
