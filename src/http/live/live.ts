// The live feed over a WebSocket: greets a watcher, then tells it each change of an image.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { seesOf } from '../../access.ts'
import { notification, SEQ } from '../../api/events.ts'
import { CalotypeError } from '../../errors.ts'
import type { EventFeed } from '../../publish/event-feed.ts'
import type { AccessGuard } from '../access/access-guard.ts'
import { isAllowedOrigin } from '../access/origin.ts'
import { nothing } from '../answers.ts'
import { addEndpoint } from '../endpoint.ts'
import { createPace, startWatcher, type Watcher } from './watcher.ts'

export interface LiveDeps {
  feed: EventFeed
  corsOrigins: readonly string[]
  /** Of a server with accounts: what a watcher hears follows their role, and a socket closes when its session or key ends. */
  guard?: AccessGuard
  /** Between two pings; a watcher that has not answered one by the next is cut off. */
  pingIntervalMs?: number
}

/** Ours, after HTTP's 401: sign in again before you come back. */
const SIGNED_OUT = 4401

/** A socket that does not end when asked must not hold up the stop of the server. */
const CLOSE_TIMEOUT_MS = 2000

/** Of ws. Watchers have nothing to say, and a connection costs no compression state. */
const SOCKET_OPTIONS = {
  maxPayload: 4096,
  perMessageDeflate: false,
  closeTimeout: CLOSE_TIMEOUT_MS,
}

const ADDRESSES = [
  ['/ws/upload/', 'Hear of every change as it happens'],
  ['/ws/upload', 'Hear of every change as it happens (the same without the last slash)'],
] as const

/** For the API description. */
const MESSAGES = {
  query: { since: 'The `seq` of the last message heard: what came after it is sent first.' },
  messages: {
    greeting: { message: 'You are connected!', status: 'ok', seq: SEQ },
    change: { schema: { $ref: '#/components/schemas/Notification' }, example: notification.example },
    resync: { description: 'What was missed is no longer known: read the lists again.', example: { type: 'resync' } },
  },
}

/** Whether a request is the handshake of a WebSocket for the live feed (RFC 6455, 4.1). Any other `Upgrade`, such as `h2c`, is ignored. */
export const asksForLiveFeed = ({ method, url = '', headers }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && ADDRESSES.some(([address]) => address === url.split('?', 1)[0])

/**
 * Adds `/ws/upload/` (with and without the last slash), which tells of the images that who connects sees. `?since=SEQ` replays what came
 * after it first. Await it on the root instance,
 * after `answerProblems` and before the other routes: an upgrade refused anywhere must end its socket.
 */
export async function addLiveFeed(
  fastify: FastifyInstance,
  { feed, corsOrigins, guard, pingIntervalMs = 30_000 }: LiveDeps,
): Promise<void> {
  const watchers = new Map<WebSocket, Watcher>()
  const pace = createPace(10)

  const stopListening = feed.onAppend(() => {
    for (const watcher of watchers.values()) watcher.wake()
  })
  const pinging = setInterval(() => {
    for (const [socket, watcher] of watchers) {
      if (watcher.wasAlive()) socket.ping()
      else socket.terminate()
    }
  }, pingIntervalMs)
  // Where an upgrade ends in an answer instead of a WebSocket, Node leaves its socket to us; ws lifts the timeout of its own.
  const limitUpgrade = (_request: IncomingMessage, socket: Duplex) =>
    (socket as Socket).setTimeout(CLOSE_TIMEOUT_MS, () => socket.destroy())
  fastify.server.on('upgrade', limitUpgrade)
  fastify.addHook('preClose', async () => {
    clearInterval(pinging)
    stopListening()
    fastify.server.off('upgrade', limitUpgrade)
    for (const socket of watchers.keys()) socket.close(1001, 'The server is stopping')
  })

  await fastify.register(websocket, {
    options: SOCKET_OPTIONS,
    errorHandler(error, socket, request) {
      request.log.debug({ err: error }, 'watcher failed')
      socket.close(1011)
    },
  })

  function welcome(socket: WebSocket, request: FastifyRequest): void {
    const sees = seesOf(request.principal)
    const { since } = request.query as { since?: string | string[] }
    const seq = since === undefined ? feed.position() : String(since)
    // Where it stands, so that one who hears nothing more can come back as well. A position handed in is vouched for by what follows.
    socket.send(JSON.stringify({ message: 'You are connected!', status: 'ok', ...(since === undefined ? { seq } : {}) }))
    socket.on('close', () => watchers.delete(socket))
    const failed = (error: unknown) => {
      request.log.error({ err: error }, 'the feed could not be read')
      socket.close(1011, 'The feed could not be read')
    }
    const watcher = startWatcher(socket, { feed, since: seq, sees, pace, onError: failed })
    watchers.set(socket, watcher)
    const release = guard?.hold(request.principal, (now) => {
      if (now?.scopes.has('read')) watcher.setSees(seesOf(now))
      else socket.close(SIGNED_OUT, 'Signed out')
    })
    if (release) socket.on('close', release)
  }

  for (const [url, summary] of ADDRESSES)
    addEndpoint(fastify, {
      route: `GET ${url}`,
      access: 'read',
      tag: 'Live',
      summary,
      description:
        'A WebSocket. It greets with `{"message":"You are connected!","status":"ok","seq":…}`, then sends one message for each change of an image that who connects sees. A slow reader gets fewer `processing` messages, never fewer final ones. With a cookie the Origin has to be that of this server; it closes with 4401 when the session or key ends.',
      unchecked: { since: SEQ },
      answers: { 101: nothing('The connection is a WebSocket from here on') },
      errors: ['bad_request', 'origin_not_allowed'],
      extensions: { 'x-websocket': MESSAGES },
      async onRequest(request) {
        if (!isAllowedOrigin(request.headers.origin, request.headers.host, corsOrigins)) throw new CalotypeError('origin_not_allowed')
      },
      async handler() {
        throw new CalotypeError('bad_request', 'This address is a WebSocket. Connect to it with a WebSocket client.')
      },
      wsHandler: welcome,
    })
}
