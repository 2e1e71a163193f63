import { parentPort } from 'node:worker_threads'
import { hashFunctionByCode } from './hash-functions.ts'
import type { HashAnswer, HashRequest } from './hash-threads.ts'

// A thread of `hashThreads`: hashes what it is sent and gives the memory back.
parentPort?.on('message', ({ number, code, memory, start, end }: HashRequest) => {
  hashFunctionByCode(code).then(hash => {
    // A copy: a digest may be a view of a larger pool, which would be sent as a whole.
    const digest = Uint8Array.from(hash.digest(new Uint8Array(memory, start, end - start)))
    const answer: HashAnswer = { number, memory, digest }
    parentPort?.postMessage(answer, [memory])
  }).catch((error: unknown) => {
    // Ends the thread: whoever waits for it is told.
    setImmediate(() => { throw error })
  })
})
