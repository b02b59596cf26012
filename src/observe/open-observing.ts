// Who watches, by the settings: metrics, traces, both or nobody. Their libraries are loaded only for those who ask for them.
import type { Logger } from '../log.ts'
import { allObservers } from './all-observers.ts'
import { createMetricsServer, type MetricsServer } from './metrics-server.ts'
import type { Observer } from './observer.ts'

export interface ObservingOptions {
  /** Null: no metrics. */
  metricsPort: number | null
  metricsHost: string
  /** Empty: no traces. */
  otlpEndpoint: string
  role: 'server' | 'worker'
  log: Logger
}

export interface Observing {
  /** Nobody, if no setting asks for one: then nothing is wrapped and nothing is told. */
  observer: Observer | undefined
  /** Null without metrics. Rejects with the error of the socket. */
  listen(): Promise<{ url: string } | null>
  /** Takes two seconds at most. */
  close(): Promise<void>
}

export async function openObserving({ metricsPort, metricsHost, otlpEndpoint, role, log }: ObservingOptions): Promise<Observing> {
  const observers: Observer[] = []
  let server: MetricsServer | null = null
  if (metricsPort !== null) {
    const { createMetrics } = await import('./prometheus.ts')
    const metrics = createMetrics({ role })
    server = createMetricsServer(metrics)
    observers.push(metrics)
  }
  if (otlpEndpoint !== '') {
    const { createTracing } = await import('./opentelemetry.ts')
    observers.push(createTracing({ endpoint: otlpEndpoint, role, log }))
  }
  const observer = observers.length === 0 ? undefined : allObservers(observers)
  return {
    observer,
    listen: async () => (server && metricsPort !== null ? server.listen(metricsHost, metricsPort) : null),
    async close() {
      await server?.close()
      await observer?.close()
    },
  }
}
