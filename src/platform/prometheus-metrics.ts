import { createServer, type Server } from 'node:http'
import type { Registry } from 'prom-client'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import type { Startable } from './lifecycle.ts'
import type { Metrics } from './metrics.ts'

/** {@link Metrics} that can be read out. */
export interface PrometheusMetrics extends Metrics {
  /** All figures in Prometheus' text form. */
  text (): Promise<string>
  readonly contentType: string
}

/** Figures in prom-client, with those of the process beside ours. */
export async function prometheusMetrics (): Promise<PrometheusMetrics> {
  const { Counter, Gauge, Registry: RegistryClass, collectDefaultMetrics } = await import('prom-client')
  const registry: Registry = new RegistryClass()
  collectDefaultMetrics({ register: registry })
  return {
    counter (name, help) {
      const counter = new Counter({ name, help, registers: [registry] })
      return { add: amount => { counter.inc(amount) } }
    },
    gauge (name, help, read) {
      const gauge = new Gauge({ name, help, registers: [registry], ...(read && { collect () { this.set(read()) } }) })
      return { set: value => { gauge.set(value) } }
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

/** Serves `/metrics` on a TCP multiaddress. */
export function prometheusEndpoint (options: { readonly address: Multiaddress }, metrics: PrometheusMetrics): Startable {
  let server: Server | undefined
  return {
    async start () {
      const [, , host = '', , port = ''] = options.address.split('/')
      const created = createServer((request, response) => {
        if (request.url?.replace(/\?.*$/s, '') !== '/metrics' || request.method !== 'GET') {
          response.writeHead(404).end()
          return
        }
        metrics.text().then(
          text => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
          (error: unknown) => response.writeHead(500).end(errorText(error)))
      })
      await new Promise<void>((resolve, reject) => {
        created.once('error', error => { reject(new ClusterError('ADDRESS_IN_USE', `metrics cannot be served at ${options.address}: ${error.message}`, { cause: error })) })
        created.listen(Number(port), host, resolve)
      })
      server = created
    },
    async stop () {
      const listening = server
      server = undefined
      if (listening === undefined) return
      const closed = new Promise<void>(resolve => { listening.close(() => { resolve() }) })
      listening.closeAllConnections()
      await closed
    },
  }
}
