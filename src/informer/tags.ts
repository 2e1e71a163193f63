import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Informer } from './informer.ts'

export interface TagsInformerOptions {
  readonly self: PeerId
  readonly metricTtlMs: number
  readonly tags: Readonly<Record<string, string>>
  readonly platform: Platform
}

/** The operator's labels, such as region or rack, as metrics `tag:<name>` (spec/components.md 3). */
export function tagsInformer (options: TagsInformerOptions): Informer {
  return {
    name: 'tags',
    metricTtlMs: options.metricTtlMs,
    async metrics () {
      const expire = options.platform.clock.now() + options.metricTtlMs
      const metric = (name: string, value: string, valid: boolean) => ({ name: `tag:${name}`, peer: options.self, value, expire, valid, weight: 0, partitionable: true, receivedAt: 0 })
      const tags = Object.entries(options.tags)
      return tags.length === 0 ? [metric('none', 'none', false)] : tags.map(([name, value]) => metric(name, value, true))
    },
  }
}
