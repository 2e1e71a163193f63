import { ClusterError } from '../domain/errors.ts'

interface Seeker { readonly hasRoom: () => boolean, readonly found: () => void }

/** Those who wait until there is room in a queue. */
export class RoomSeekers {
  readonly #seekers = new Set<Seeker>()

  /** Resolves when there is room. @throws ClusterError `CANCELLED` by the signal */
  wait (hasRoom: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => { this.#seekers.delete(seeker); reject(new ClusterError('CANCELLED', 'the peer stops or the caller went away')) }
      const seeker: Seeker = { hasRoom, found: () => { signal.removeEventListener('abort', abort); resolve() } }
      if (signal.aborted) { abort(); return }
      signal.addEventListener('abort', abort, { once: true })
      this.#seekers.add(seeker)
      this.tell()
    })
  }

  /** To be called when queues may have become shorter. */
  tell (): void {
    for (const seeker of this.#seekers) {
      if (!seeker.hasRoom()) continue
      this.#seekers.delete(seeker)
      seeker.found()
    }
  }
}
