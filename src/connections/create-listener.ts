// The HTTP listener below every server of ours: bounds what a connection, and an address, may hold on to, for all routes.
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { CalotypeError } from '../errors.ts'
import { countByAddress, type AddressLimit } from './addresses.ts'
import { Connection, type Shared } from './connection.ts'
import { endStalledWrites } from './stalled-writes.ts'

export interface ListenerOptions {
  /** From the first byte of a request to its last; beyond, it is answered with 408 and its connection ends. */
  requestTimeoutMs?: number
  /** Without progress of what is sent. */
  stalledWriteMs?: number
  addresses?: AddressLimit | undefined
  /** A connection beyond `addresses` was refused. */
  onRefused?: (address: string | undefined) => void
  /** Whether a request's `Upgrade` is one that a listener of 'upgrade' takes; all others are served as if they had none. */
  isUpgrade?: (request: IncomingMessage) => boolean
  /** Requests whose body has a limit of its own. */
  hasOwnTimeout?: (request: IncomingMessage) => boolean
  /** The whole answer, from its status line on, to what is no request or is refused before it is one. It closes the connection. */
  answerOf: (error: CalotypeError) => string
}

const REQUEST_TIMEOUT_MS = 30_000
const STALLED_WRITE_MS = 60_000
// Of Node's servers: between its 5 s for idle connections and what proxies before us keep theirs for (60 s).
const KEEP_ALIVE_TIMEOUT_MS = 72_000
const TOO_MANY_SECONDS = 60

export function createListener(handle: RequestListener, options: ListenerOptions): Server {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, stalledWriteMs = STALLED_WRITE_MS, isUpgrade, hasOwnTimeout, answerOf } = options
  const connections = new Map<Socket, Connection>()
  const shared: Shared = { handle, waiting: 0 }
  const isCounted = options.addresses && countByAddress(options.addresses)

  const server = createServer({
    // A Host header is asked for by who answers, with a code.
    requireHostHeader: false,
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // How late an end may be.
    connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs / 4),
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // Never while others wait on the connection: it would be two things at once.
    shouldUpgradeCallback: (request) => isUpgrade?.(request) === true && connections.get(request.socket)?.isBusy === false,
  })

  server.on('connection', (socket) => {
    if (isCounted?.(socket) === false) {
      options.onRefused?.(socket.remoteAddress)
      const error = new CalotypeError('too_many_requests', 'This address has too many connections. Close some, or try again later.', {
        retryAfterSeconds: TOO_MANY_SECONDS,
      })
      socket.end(answerOf(error), () => socket.destroy())
      return
    }
    connections.set(socket, new Connection(socket, shared))
    socket.once('close', () => connections.delete(socket))
  })
  server.on('request', (request, response) => {
    // Node reads on behind a request whose Upgrade is ignored only from its next packet: what was pipelined with it is lost.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false
    connections.get(request.socket)?.take(request, response)
  })
  server.on('upgrade', ({ socket }) => connections.delete(socket))
  server.on('clientError', (cause: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket
    const connection = connections.get(socket)
    if (cause.code === 'ECONNRESET' || !socket.writable || connection === undefined) return void socket.destroy()
    if (cause.code !== 'ERR_HTTP_REQUEST_TIMEOUT') {
      return connection.endWith(answerOf(new CalotypeError('bad_request', 'This is not a well-formed HTTP request.')))
    }
    if (connection.arriving !== null && hasOwnTimeout?.(connection.arriving)) return
    const seconds = requestTimeoutMs / 1000
    connection.endWith(
      answerOf(new CalotypeError('upload_timeout', `The request did not arrive whole within ${seconds} s. Send it again.`)),
    )
  })
  endStalledWrites(server, connections, stalledWriteMs)
  return server
}
