// Counts what happens, for Prometheus: the one place that knows its library, the names and the labels.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { Observed, Observer, Sources, Took } from './observer.ts'

/** From a millisecond to half an hour: the queue is in there, too. */
const STEP_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]
const QUICK_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
// However often it is looked at, the database and the queue are asked once in so long, and waited for so long.
const ASK_AGAIN_MS = 5_000
const ASK_TIMEOUT_MS = 2_000

const secondsOf = ({ startedAt, endedAt }: Took) => Math.max(0, endedAt - startedAt) / 1000

export interface Metrics extends Observer {
  /** All figures as they are now, in the text format of Prometheus. Takes two seconds at most. */
  render(): Promise<{ type: string; text: string }>
}

export function createMetrics({ role }: { role: 'server' | 'worker' }): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = <T extends string = never>(name: string, help: string, ...labelNames: T[]) =>
    new Counter<T>({ name: `calotype_${name}`, help, labelNames, registers })
  const histogram = <T extends string = never>(name: string, help: string, buckets: number[], ...labelNames: T[]) =>
    new Histogram<T>({ name: `calotype_${name}`, help, buckets, labelNames, registers })
  /** Read when it is looked at; what can not be known then is not there. */
  const gauge = <T extends string = never>(name: string, help: string, labelNames: T[], read: (gauge: Gauge<T>) => unknown) =>
    new Gauge<T>({
      name: `calotype_${name}`,
      help,
      labelNames,
      registers,
      async collect() {
        this.reset()
        // Without labels, reset leaves a zero, which would be a figure.
        if (labelNames.length === 0) this.remove()
        await read(this)
      },
    })

  const requests = counter('http_requests_total', 'Requests answered, by pattern of the address.', 'route', 'method', 'status')
  const requestSeconds = histogram(
    'http_request_duration_seconds',
    'From the head of a request to the end of its answer.',
    STEP_SECONDS,
    'route',
    'method',
  )
  const receivedBytes = counter('http_received_bytes_total', 'Bytes that came in requests, heads and bodies.')
  const files = counter('files_received_total', 'Files of uploads that came whole.')
  const fileBytes = counter('file_bytes_total', 'Bytes of the files that came whole.')
  const rejected = counter('files_rejected_total', 'Files of uploads that were refused while they came, by reason.', 'code')
  const images = counter('images_total', 'Images that reached a final state; with the reason of those that failed.', 'status', 'code')
  const reclaimed = counter('images_reclaimed_total', 'Images taken back from workers that ended.')
  const steps = histogram('step_duration_seconds', 'How long each step took for an image (or a group of them).', STEP_SECONDS, 'step')
  const deadlines = counter('child_deadlines_total', 'Images whose child was ended because they took too long.')
  const eventLag = histogram('event_lag_seconds', 'From the commit of a final state to its being heard here.', STEP_SECONDS)
  const published = counter('events_published_total', 'Changes of images announced from here.')
  const statements = counter('database_statements_total', 'Statements sent to the database.', 'outcome')
  const roundTrips = histogram(
    'database_round_trip_duration_seconds',
    'Round trips to the database, waiting for it included.',
    QUICK_SECONDS,
  )
  const blobs = histogram('blob_operation_duration_seconds', 'Operations of the store of bytes.', QUICK_SECONDS, 'operation')
  const blobErrors = counter('blob_errors_total', 'Operations of the store that failed, by reason.', 'operation', 'code')
  const lost = counter(
    'lost_files_total',
    'Files asked for that the store has lost, or no longer has as they were, by what is lost.',
    'code',
  )
  const sweeps = counter('sweeps_total', 'Sweeps that ran.', 'sweep', 'outcome')
  const sweepSeconds = histogram('sweep_duration_seconds', 'How long sweeps took.', STEP_SECONDS, 'sweep')
  const unanswered = counter('unanswered_total', 'Figures that could not be known when they were asked for.', 'source')

  // Prometheus sees a counter grow only from a figure it has seen: what is seldom and matters begins with nought.
  for (const code of ['internal', 'processing_crashed', 'processing_timeout', 'not_enough_memory', 'invalid_image'])
    images.inc({ status: 'error', code }, 0)
  for (const code of ['not_found', 'storage_full', 'storage_unavailable', 'internal'])
    for (const operation of ['put', 'checkout', 'read', 'delete']) blobErrors.inc({ operation, code }, 0)
  for (const code of ['original_missing', 'original_damaged', 'rendition_missing']) lost.inc({ code }, 0)
  for (const outcome of ['done', 'failed']) statements.inc({ outcome }, 0)

  const sources: Partial<Sources> = {}
  const hearsEvents = role === 'server'
  let inHand = 0

  /** Asked once in a while; null where it was not answered. */
  function askedNowAndThen<T>(source: string, ask: () => Promise<T | null> | undefined): () => Promise<T | null> {
    let asked: Promise<T | null> | null = null
    let askedAt = -Infinity
    return () => {
      if (asked && performance.now() - askedAt < ASK_AGAIN_MS) return asked
      askedAt = performance.now()
      const late = Promise.withResolvers<null>()
      const timer = setTimeout(() => late.resolve(null), ASK_TIMEOUT_MS)
      asked = Promise.race([Promise.resolve(ask() ?? null).catch(() => null), late.promise]).then((answer) => {
        clearTimeout(timer)
        if (answer === null) unanswered.inc({ source })
        return answer
      })
      return asked
    }
  }

  new Gauge({ name: 'calotype_info', help: 'What this process is.', labelNames: ['role'], registers }).set({ role }, 1)
  gauge('images_in_hand', 'Images claimed here and not yet recorded.', [], (own) => own.set(inHand))
  gauge('database_connections', 'Connections to the database.', ['state'], (own) => {
    const { open = 0, inUse = 0 } = sources.connections?.() ?? {}
    own.set({ state: 'used' }, inUse)
    own.set({ state: 'idle' }, open - inUse)
  })
  gauge('database_waiting', 'Those who wait for a connection.', [], (own) => own.set(sources.connections?.().waiting ?? 0))
  if (hearsEvents) {
    gauge('watchers', 'Open live feeds.', [], (own) => own.set(sources.watchers?.() ?? 0))
    // The same for all servers: a worker does not ask.
    const backlog = askedNowAndThen('database', () => sources.backlog?.())
    gauge('images_waiting', 'Images that wait, and that are being developed, of all servers.', ['status'], async (own) => {
      const now = await backlog()
      if (!now) return
      own.set({ status: 'pending' }, now.pending)
      own.set({ status: 'processing' }, now.processing)
    })
    gauge('oldest_waiting_age_seconds', 'How long ago the image that waits longest was uploaded.', [], async (own) => {
      const now = await backlog()
      if (now) own.set((now.oldestPendingMs ?? 0) / 1000)
    })
    const deletion = askedNowAndThen('database', () => sources.deletion?.())
    gauge('deletion_halted', '1 while no bytes are deleted, as database and store do not belong together.', [], async (own) => {
      const now = await deletion()
      if (now) own.set(now.halted ? 1 : 0)
    })
    gauge('unknown_originals', 'Originals in the store that the database did not know when deletion was halted.', [], async (own) => {
      const now = await deletion()
      if (now) own.set(now.unknownOriginals)
    })
    const hints = askedNowAndThen('queue', () => sources.hints?.())
    gauge('queue_hints', 'Hints of work that wait in the queue, or chunks of them.', [], async (own) => {
      const depth = await hints()
      if (depth !== null) own.set(depth)
    })
  }
  function addChildren() {
    const stats = () => sources.children!()
    gauge('children', 'Children that develop images.', ['state'], (own) => {
      const { children } = stats()
      const busy = children.filter((child) => child.busy).length
      own.set({ state: 'busy' }, busy)
      own.set({ state: 'idle' }, children.length - busy)
    })
    gauge('processing_memory_bytes', 'Estimated memory of what is being developed.', [], (own) => own.set(stats().bytesInFlight))
    new Counter({
      name: 'calotype_child_restarts_total',
      help: 'Children that died and were replaced, deadlines included.',
      registers,
      collect() {
        this.reset()
        this.inc(stats().replaced)
      },
    })
  }

  collectDefaultMetrics({ register: registry })

  const step = (name: string, took: Took) => steps.observe({ step: name }, secondsOf(took))

  function tell(event: Observed): void {
    switch (event.what) {
      case 'request': {
        const route = event.route ?? 'none'
        const method = METHODS.includes(event.method) ? event.method : 'other'
        requests.inc({ route, method, status: String(event.status) })
        requestSeconds.observe({ route, method }, secondsOf(event.took))
        receivedBytes.inc(event.receivedBytes)
        return
      }
      case 'file':
        if (event.code !== null) return rejected.inc({ code: event.code })
        files.inc()
        fileBytes.inc(event.size)
        return step('receive', event.took)
      case 'blob':
        blobs.observe({ operation: event.operation }, secondsOf(event.took))
        if (event.code !== null) return blobErrors.inc({ operation: event.operation, code: event.code })
        if (event.operation === 'put') step(event.keys[0]!.startsWith('originals/') ? 'store' : 'store_outputs', event.took)
        return
      case 'recorded':
        return step('record', event.took)
      case 'claimed':
        inHand += event.hashes.length
        step('claim', event.took)
        // By two clocks, that of the database and ours.
        for (const { uploadedAt } of event.images) step('queue_wait', { startedAt: uploadedAt, endedAt: event.took.endedAt })
        return
      case 'given-back':
        inHand -= event.hashes.length
        return
      case 'developed':
        if (event.code === 'processing_timeout') deadlines.inc()
        return step('process', event.took)
      case 'finished':
        inHand -= 1
        return step('finish', event.took)
      case 'reclaimed':
        return reclaimed.inc(event.images.length)
      case 'published':
        published.inc(event.images.length)
        step('publish', event.took)
        for (const { status, failure } of event.images)
          if (status !== 'pending' && status !== 'processing') images.inc({ status, code: failure?.code ?? '' })
        return
      case 'heard':
        return eventLag.observe(event.lagMs / 1000)
      case 'lost':
        return lost.inc({ code: event.code })
      case 'round-trip':
        statements.inc({ outcome: event.failed ? 'failed' : 'done' }, event.statements)
        return roundTrips.observe(event.ms / 1000)
      case 'sweep':
        sweeps.inc({ sweep: event.sweep, outcome: event.failed ? 'failed' : 'done' })
        return sweepSeconds.observe({ sweep: event.sweep }, secondsOf(event.took))
    }
  }

  return {
    tell,
    within: (_request, next) => next(),
    watch(more) {
      Object.assign(sources, more)
      if (more.children) addChildren()
    },
    render: async () => ({ type: registry.contentType, text: await registry.metrics() }),
    async close() {
      registry.clear()
    },
  }
}
