// What an observer is told of requests: each by the pattern of its route, and each file of an upload.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { asksForLiveFeed } from '../live/live.ts'
import { now, type Observer } from '../../observe/observer.ts'
import type { ReceivedFile, ReceiveOptions, RefusedFile } from '../../receive/receive-files.ts'

interface Arrived {
  startedAt: number
  /** Back to where the request came in, for what is told of its end. */
  inScope: (action: () => void) => void
}

// nginx's, for a client that did not wait for its answer.
const CLIENT_CLOSED_REQUEST = 499

/** Add it before any other hook. A live feed is no request: it has no end that says anything. */
export function observeRequests(fastify: FastifyInstance, observer: Observer): void {
  const arrived = new WeakMap<FastifyRequest, Arrived>()
  /** Bytes of a connection that were counted with an earlier request. */
  const counted = new WeakMap<Socket, number>()

  fastify.addHook('onRequest', (request, _reply, next) => {
    const { method, headers, raw } = request
    if (asksForLiveFeed(raw)) return next()
    const traceparent = typeof headers.traceparent === 'string' ? headers.traceparent : undefined
    observer.within({ route: routeOf(request), method, traceparent }, () => {
      arrived.set(request, { startedAt: now(), inScope: AsyncLocalStorage.snapshot() })
      next()
    })
  })
  fastify.addHook('onResponse', async (request, reply) => tell(request, reply.statusCode))
  fastify.addHook('onRequestAbort', async (request) => tell(request, CLIENT_CLOSED_REQUEST))

  function tell(request: FastifyRequest, status: number) {
    const { startedAt, inScope } = arrived.get(request) ?? {}
    if (startedAt === undefined) return
    arrived.delete(request)
    const { socket } = request.raw
    const receivedBytes = socket.bytesRead - (counted.get(socket) ?? 0)
    counted.set(socket, socket.bytesRead)
    const took = { startedAt, endedAt: now() }
    inScope!(() => observer.tell({ what: 'request', route: routeOf(request), method: request.method, status, receivedBytes, took }))
  }
}

/** Never the address as it was sent. */
const routeOf = (request: FastifyRequest) => (request.is404 ? null : (request.routeOptions.url ?? null))

type Files = AsyncIterable<ReceivedFile | RefusedFile>

/** Receives, and tells of each file how long it took from its first byte to its last being synced. */
export async function* observeFiles(
  observer: Observer,
  { stage, discard, ...options }: ReceiveOptions,
  receive: (options: ReceiveOptions) => Files,
): AsyncGenerator<ReceivedFile | RefusedFile> {
  const begun = new Map<string, number>()
  const files = receive({
    ...options,
    stage() {
      const path = stage()
      begun.set(path, now())
      return path
    },
    discard(path) {
      begun.delete(path)
      return discard(path)
    },
  })
  for await (const file of files) {
    const endedAt = now()
    if (file.outcome === 'received') {
      const startedAt = begun.get(file.path) ?? endedAt
      begun.delete(file.path)
      observer.tell({ what: 'file', size: file.size, sha256: file.sha256, code: null, took: { startedAt, endedAt } })
    } else observer.tell({ what: 'file', size: 0, sha256: null, code: file.code, took: { startedAt: endedAt, endedAt } })
    yield file
  }
}
