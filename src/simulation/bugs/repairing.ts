import { plantedBug, type PlantedBug } from './bugs.ts'

/** Long enough for every grace period, in milliseconds. */
const foreverMs = 3_600_000

/** Failures in noticing and replacing peers that are gone. */
export const repairing: readonly PlantedBug[] = [
  plantedBug('one alert', 'with repinning off the handler of alerts ended with the first one (alerts handler of the reference)', {
    peer ({ monitor }) {
      const alerts = monitor.alerts.bind(monitor)
      monitor.alerts = async function * (options) {
        for await (const alert of alerts(options)) {
          yield alert
          return
        }
      }
    },
  }),
  plantedBug('nobody repins', 'repinning was left to a peer that did not do it (#1064)', {
    peer ({ repair }) { repair.run = async () => {} },
  }),
  plantedBug('removal moves nothing', 'pins of a removed peer stayed with it (the reference with repinning disabled)', {
    peer ({ repair }) { repair.vacate = async () => {} },
  }),
  plantedBug('moves at once', 'one blip moved everything, so repinning had to be off (#369)', {
    peer ({ monitor, calls, configuration: { cluster } }) {
      const presences = monitor.presences.bind(monitor)
      monitor.presences = name => presences(name).map(presence => presence.silentMs > cluster.monitorPingIntervalMs ? { ...presence, silentMs: foreverMs, expiredMs: foreverMs } : presence)
      calls.id = () => Promise.reject(new Error('not asked'))
    },
  }),
]
