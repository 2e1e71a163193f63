import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { ClusterError } from '../domain/errors.ts'
import type { Clock } from '../platform/clock.ts'

/** Bytes and what they hash to. */
export interface HashedBytes { readonly bytes: Uint8Array, readonly digest: Uint8Array }

/** Hashes beside the thread that has other work to do. */
export interface Hashing {
  /**
   * Hashes `bytes` by an algorithm of `node:crypto`; undefined when that is quicker done by the
   * caller. Otherwise the memory under `bytes` is taken away, and the result holds it again.
   * @throws ClusterError `INTERNAL` when a thread broke down, `CANCELLED` after a stop
   */
  hash (algorithm: string, bytes: Uint8Array): Promise<HashedBytes> | undefined
}

export interface HashThreads extends Hashing {
  /** Threads there are now. */
  count (): number
  /** Ends the threads; whoever waits is told. Safe to call twice. */
  stop (): Promise<void>
}

/** What a thread is asked; `memory` is handed over, not copied. */
interface HashRequest {
  readonly number: number
  readonly algorithm: string
  readonly memory: ArrayBuffer
  readonly start: number
  readonly end: number
}

interface HashAnswer {
  readonly number: number
  readonly memory: ArrayBuffer
  readonly digest: Uint8Array
}

interface Waiting {
  readonly start: number
  readonly end: number
  readonly resolve: (hashed: HashedBytes) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
}

/** Under this the way to a thread and back costs more than the hash itself. */
const minBytes = 64 * 1024
/** One thread keeps up with the rest of an add; more help where processors do not hash by themselves, and with many adds at once. */
const maxThreads = Math.min(4, availableParallelism() - 1)
/** Another thread is started when each has so much to do. */
const busyRequests = 3
/** A thread costs some 10 MiB: without work it ends after so long. */
const idleMs = 30_000

/** Threads that hash, started with the first work and ended when there is none. */
export function hashThreads (clock: Clock): HashThreads {
  const threads: Thread[] = []
  let requests = 0
  let underWay = 0
  let isStopped = false
  let cancelIdle: (() => void) | undefined

  function start (): Thread {
    // Its own text, not a file: a module of TypeScript costs a thread 75 ms and 20 MiB more.
    const worker = new Worker(`(${runThread.toString()})()`, { eval: true })
    // What waits for a hash keeps the process alive by other means.
    worker.unref()
    const thread: Thread = { worker, waiting: new Map() }
    worker.on('message', (answer: HashAnswer) => { settle(thread, answer) })
    worker.on('error', (error: Error) => { lose(thread, new ClusterError('INTERNAL', `a thread that hashes has failed: ${error.message}`, { cause: error })) })
    worker.on('exit', () => { lose(thread, new ClusterError('CANCELLED', 'the peer stops')) })
    threads.push(thread)
    return thread
  }

  function settle (thread: Thread, { number, memory, digest }: HashAnswer): void {
    const waiting = thread.waiting.get(number)
    if (waiting === undefined) return
    thread.waiting.delete(number)
    finished(1)
    waiting.resolve({ bytes: Buffer.from(memory, waiting.start, waiting.end - waiting.start), digest })
  }

  function lose (thread: Thread, error: ClusterError): void {
    const at = threads.indexOf(thread)
    if (at >= 0) threads.splice(at, 1)
    const lost = [...thread.waiting.values()]
    thread.waiting.clear()
    finished(lost.length)
    for (const { reject } of lost) reject(error)
  }

  function finished (count: number): void {
    underWay -= count
    if (underWay === 0 && threads.length > 0 && !isStopped) cancelIdle ??= clock.after(idleMs, () => { end().catch(() => {}) })
  }

  function leastBusy (): Thread {
    let best: Thread | undefined
    for (const thread of threads) if (best === undefined || thread.waiting.size < best.waiting.size) best = thread
    return best !== undefined && (best.waiting.size < busyRequests || threads.length >= maxThreads) ? best : start()
  }

  async function end (): Promise<void> {
    cancelIdle?.()
    cancelIdle = undefined
    await Promise.all(threads.splice(0).map(({ worker }) => worker.terminate()))
  }

  return {
    hash (algorithm, bytes) {
      const { buffer, byteOffset, length } = bytes
      // Memory that others share cannot be handed over.
      if (maxThreads < 1 || isStopped || length < minBytes || !(buffer instanceof ArrayBuffer) || buffer.byteLength > 2 * length) return undefined
      cancelIdle?.()
      cancelIdle = undefined
      const { promise, resolve, reject } = Promise.withResolvers<HashedBytes>()
      const thread = leastBusy()
      const number = requests++
      thread.waiting.set(number, { start: byteOffset, end: byteOffset + length, resolve, reject })
      underWay++
      const request: HashRequest = { number, algorithm, memory: buffer, start: byteOffset, end: byteOffset + length }
      thread.worker.postMessage(request, [buffer])
      return promise
    },
    count: () => threads.length,
    async stop () {
      isStopped = true
      await end()
    },
  }
}

/** All that a thread does. It sees nothing of this module. */
function runThread (): void {
  const { parentPort } = process.getBuiltinModule('node:worker_threads')
  const { hash } = process.getBuiltinModule('node:crypto')
  parentPort?.on('message', ({ number, algorithm, memory, start, end }: HashRequest) => {
    // A copy: a digest may be a view of a larger pool, which would be sent as a whole.
    const digest = Uint8Array.from(hash(algorithm, new Uint8Array(memory, start, end - start), 'buffer'))
    const answer: HashAnswer = { number, memory, digest }
    parentPort.postMessage(answer, [memory])
  })
}
