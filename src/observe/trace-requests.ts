// The first half of a trace: what an upload's request did, told from within it, until its answer.
import type { AsyncLocalStorage } from 'node:async_hooks'
import { SpanKind, TraceFlags, type Link } from '@opentelemetry/api'
import type { Observed } from './observer.ts'
import type { Emit, SpanOfBatch } from './span.ts'

/** Of one request, while it lasts. Spans wait here until its batch is known, which is with its first group of files. */
export interface RequestTrace {
  batchId: string | null
  /** The request that makes a batch is the root of its trace; those that send to a declared one lie within that. */
  lies: 'at-root' | 'within'
  spans: Omit<SpanOfBatch, 'batchId' | 'within'>[]
  traceparent: string | undefined
}

export function traceRequests(requests: AsyncLocalStorage<RequestTrace>, emit: Emit): (event: Observed) => void {
  function add(request: RequestTrace, span: Omit<SpanOfBatch, 'batchId' | 'within'>) {
    if (request.batchId === null) request.spans.push(span)
    else emit({ ...span, batchId: request.batchId, within: request.batchId })
  }

  function isOf(request: RequestTrace, batchId: string, lies: RequestTrace['lies']) {
    if (request.batchId !== null) return
    Object.assign(request, { batchId, lies })
    for (const span of request.spans.splice(0)) add(request, span)
  }

  return (event) => {
    const request = requests.getStore()
    if (!request) return
    switch (event.what) {
      case 'file': {
        const { sha256, size, code, took } = event
        const attributes = sha256 === null ? {} : { 'calotype.image.sha256': sha256, 'calotype.image.bytes': size }
        return add(request, { name: 'receive', ...took, attributes, error: code })
      }
      case 'blob':
        if (event.operation === 'put')
          add(request, { name: 'store', ...event.took, attributes: { key: event.keys[0]! }, error: event.code })
        return
      case 'recorded':
        isOf(request, event.batchId, event.isDeclared ? 'within' : 'at-root')
        return add(request, { name: 'record', ...event.took, attributes: { 'calotype.images': event.images.length } })
      case 'declared':
        return isOf(request, event.batchId, 'at-root')
      case 'published':
        return add(request, { name: 'announce', ...event.took, attributes: { 'calotype.images': event.images.length } })
      case 'request': {
        const { batchId, lies, traceparent } = request
        if (batchId === null && event.status < 300) return
        const { method, route, status, took } = event
        const root = batchId !== null && lies === 'at-root' ? { of: batchId } : {}
        const place = batchId !== null && lies === 'within' ? { within: batchId } : {}
        return emit({
          name: `${method} ${route}`,
          batchId,
          ...root,
          ...place,
          ...took,
          kind: SpanKind.SERVER,
          attributes: { 'http.request.method': method, 'http.route': route ?? '', 'http.response.status_code': status },
          error: status >= 500 ? String(status) : null,
          links: linksOf(traceparent),
        })
      }
    }
  }
}

/** Whoever sent a trace context of their own (https://www.w3.org/TR/trace-context/) finds ours by a link. */
function linksOf(traceparent: string | undefined): Link[] {
  const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(traceparent ?? '') ?? []
  return traceId && spanId ? [{ context: { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true } }] : []
}
