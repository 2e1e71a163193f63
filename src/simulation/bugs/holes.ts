import { decodeBroadcast } from '../../consensus/crdt/broadcast-message.ts'
import type { PeerId } from '../../domain/peer.ts'
import { metricsTopic } from '../../monitor/gossip-monitor.ts'
import type { StoreOperation } from '../../platform/store.ts'
import { plantedBug, type PlantedBug } from './bugs.ts'
import { inherit } from './lost-changes.ts'

const nothing = new Uint8Array(0)
const pageSize = 500
const blockPrefix = '/c/b/blocks/'

/** Failures after which replicas differ for good, or what is kept beside the pinset differs from it. */
export const holes: readonly PlantedBug[] = [
  plantedBug('processed before its ancestors', 'a node counts as processed before the nodes it follows are here: a crash in between leaves a hole that nobody sees (go-ds-crdt#279, #1007)', {
    store: store => {
      const forgotten = store.clear({ gte: '/flotilla/walk/', lt: '/flotilla/walk0' }).catch(() => {})
      return inherit(store, {
        async batch (operations, options) {
          await forgotten
          const marks: StoreOperation[] = operations.flatMap(({ type, key }) => type === 'put' && key.startsWith(blockPrefix) ? [{ type, key: `/c/b/${key.slice(blockPrefix.length)}`, value: nothing }] : [])
          return store.batch([...operations, ...marks], options)
        },
      })
    },
  }),
  plantedBug('heads told once', 'who missed a head never heard of it again (#1673: followers with different pin counts)', {
    peer ({ network }) {
      const publish = network.publish.bind(network)
      network.publish = async (topic, data) => {
        // Only the author's first word brings the node along: all that would make up for a loss goes without.
        if (topic === metricsTopic || decodeBroadcast(data).some(({ block }) => block !== undefined)) await publish(topic, data)
      }
    },
  }),
  plantedBug('everybody is trusted', '`trusted_peers: ["*"]`, the default of `init`, takes changes from whoever has the secret', {
    peer ({ consensus }) { consensus.trust('*' as PeerId) },
  }),
  plantedBug('lists end with their first page', 'of a large pinset a list had the beginning only', {
    peer ({ consensus }) {
      const pinset = consensus.pinset()
      const listBoth = pinset.listBoth.bind(pinset)
      pinset.listBoth = async function * (query) {
        let listed = 0
        for await (const pins of listBoth(query)) {
          if (listed >= pageSize) return
          listed += pins.length
          yield pins
        }
      }
    },
  }),
  plantedBug('count drifts', 'figures drifted away from what they count (#1120, #1645)', {
    store: store => inherit(store, {
      batch: (operations, options) => store.batch(operations.some(({ key }) => key.startsWith('/c/s/t/')) ? operations.filter(({ key }) => key !== '/flotilla/count') : operations, options),
    }),
  }),
]
