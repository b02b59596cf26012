// Traces of uploads, for OpenTelemetry: one trace a batch, from the request that brought it to the announcement of each image.
import { AsyncLocalStorage } from 'node:async_hooks'
import { hostname } from 'node:os'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { AlwaysOnSampler, BatchSpanProcessor, RandomIdGenerator, TracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace'
import type { Logger } from '../log.ts'
import type { Observer } from './observer.ts'
import type { SpanOfBatch } from './span.ts'
import { traceRequests, type RequestTrace } from './trace-requests.ts'
import { traceWork } from './trace-work.ts'

const CLOSE_TIMEOUT_MS = 2_000
const EXPORT_TIMEOUT_MS = 10_000
// Beyond, spans are dropped: those who work wait for no collector.
const MOST_QUEUED_SPANS = 16_384
const EXPORT_INTERVAL_MS = 1_000

// A UUID has the 16 bytes of a trace id, and in its second half the 8 random ones of a span id.
const traceIdOf = (uuid: string) => uuid.replaceAll('-', '')
const spanIdOf = (uuid: string) => traceIdOf(uuid).slice(16)

export interface TracingOptions {
  /** Of the collector, without `/v1/traces`. */
  endpoint: string
  role: 'server' | 'worker'
  log: Logger
}

export function createTracing({ endpoint, role, log }: TracingOptions): Observer {
  const random = new RandomIdGenerator()
  let next: { traceId?: string | undefined; spanId?: string | undefined } = {}
  const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, timeoutMillis: EXPORT_TIMEOUT_MS })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'calotype',
      'service.instance.id': `${hostname()}-${process.pid}`,
      'calotype.role': role,
    }),
    sampler: new AlwaysOnSampler(),
    idGenerator: {
      generateTraceId: () => next.traceId ?? random.generateTraceId(),
      generateSpanId: () => next.spanId ?? random.generateSpanId(),
    },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: warning(exporter, log),
        maxQueueSize: MOST_QUEUED_SPANS,
        scheduledDelayMillis: EXPORT_INTERVAL_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  })
  const tracer = provider.getTracer('calotype')

  function emit({ name, batchId, of, within, startedAt, endedAt, attributes = {}, error = null, links = [], kind }: SpanOfBatch) {
    const traceId = batchId === null ? undefined : traceIdOf(batchId)
    next = { traceId, spanId: of && spanIdOf(of) }
    const parent =
      traceId && within
        ? trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: spanIdOf(within), traceFlags: TraceFlags.SAMPLED, isRemote: true })
        : ROOT_CONTEXT
    const span = tracer.startSpan(
      name,
      {
        startTime: hrTime(Math.min(startedAt, endedAt)),
        kind: kind ?? SpanKind.INTERNAL,
        attributes: { ...attributes, ...(batchId !== null && { 'calotype.batch.id': batchId }) },
        links,
      },
      parent,
    )
    if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: error })
    span.end(hrTime(endedAt))
    next = {}
  }

  const requests = new AsyncLocalStorage<RequestTrace>()
  const tellOfRequests = traceRequests(requests, emit)
  const tellOfWork = traceWork(emit)
  return {
    tell(event) {
      tellOfRequests(event)
      tellOfWork(event)
    },
    within({ route, traceparent }, run) {
      if (!isTraced(route)) return run()
      requests.run({ batchId: null, lies: 'at-root', spans: [], traceparent }, run)
    },
    watch() {},
    async close() {
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(() => late.resolve(), CLOSE_TIMEOUT_MS)
      await Promise.race([provider.shutdown().catch(() => {}), late.promise])
      clearTimeout(timer)
    },
  }
}

/** Requests that bring images, or say that they will come. */
const isTraced = (route: string | null) => route !== null && /^\/api\/(upload|async\/upload|async\/batch\/upload|batches)$/.test(route)

const hrTime = (ms: number): [seconds: number, nanoseconds: number] => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)]

/** Says once an outage that the collector does not take what it is sent. */
function warning(exporter: SpanExporter, log: Logger): SpanExporter {
  let isAway = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined
        if (failed && !isAway) log.warn({ err: result.error }, 'the collector does not take traces: they are dropped')
        isAway = failed
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}
