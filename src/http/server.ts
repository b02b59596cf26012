// The HTTP front: one Fastify with its hooks, the live feed and all routes.
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import Fastify, { type FastifyInstance } from 'fastify'
import type { ListenerOptions } from '../connections/create-listener.ts'
import { CalotypeError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { AccountDeps } from '../flow/accounts/account-deps.ts'
import type { AllowanceDeps } from '../flow/upload/allowance.ts'
import type { Releases } from '../flow/upload/releases.ts'
import type { Observer } from '../observe/observer.ts'
import type { EventFeed } from '../publish/event-feed.ts'
import type { JobQueue } from '../queue/job-queue.ts'
import type { Records } from '../record/records.ts'
import type { Recipe } from '../rendition/presets.ts'
import type { BlobStore } from '../store/blob-store.ts'
import type { DiskReserve } from '../store/disk-reserve.ts'
import { guardAccess } from './access/access-guard.ts'
import { userRoutes } from './routes/admin/users.ts'
import { adminImageRoutes, type AdminImagesDeps } from './routes/admin/images.ts'
import { adminJobRoutes, type AdminJobsDeps } from './routes/admin/jobs.ts'
import { adminOverviewRoutes, type AdminOverviewDeps } from './routes/admin/overview.ts'
import { adminQueueRoutes, type AdminQueueDeps } from './routes/admin/queue.ts'
import { archiveRoutes } from './media/archive.ts'
import { auditRoutes } from './routes/admin/audit.ts'
import { addressLimit, warnOfRefused } from './hooks/address-limit.ts'
import { authRoutes } from './routes/auth.ts'
import { batchRoutes } from './routes/batches.ts'
import type { CallLimits } from './access/count-call.ts'
import { eventRoutes } from './routes/events.ts'
import { followAccess } from './access/follow-access.ts'
import { addHealth } from './routes/health.ts'
import { isAllowedHost } from './access/host.ts'
import { imageRoutes } from './routes/images.ts'
import { keyRoutes } from './routes/keys.ts'
import { addLiveFeed, asksForLiveFeed } from './live/live.ts'
import { bulkImageRoutes } from './routes/bulk-images.ts'
import { mediaRoutes } from './media/media.ts'
import { observeRequests } from './hooks/observe-requests.ts'
import { addSecurityHeaders } from './hooks/security-headers.ts'
import { describeApi } from './openapi/describe-api.ts'
import { isAllowedOrigin } from './access/origin.ts'
import { pageRoutes, type PagesDeps } from './routes/pages.ts'
import { addPrincipal, type Identify } from './access/principal.ts'
import { drainRefused } from './hooks/drain-refused.ts'
import { answerProblems, listenerOptions } from './hooks/problem.ts'
import { serverOptions } from './hooks/server-options.ts'
import { requireAccess } from './access/require-access.ts'
import { isSafe } from './access/route-access.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { tellLosses } from './media/tell-losses.ts'
import { isReceivedAsUpload, uploadRoutes, type UploadLimits } from './routes/uploads.ts'

export type HttpServer = FastifyInstance

/** What the routes of the admin area need besides. */
export type AdminDeps = AdminImagesDeps & AdminJobsDeps & AdminOverviewDeps & AdminQueueDeps

export type ServerDeps = Records &
  AccountDeps &
  AdminDeps &
  AllowanceDeps &
  CallLimits & {
    accounts: AccountDeps['accounts']
    /** What uploads are to become. */
    recipe: Recipe
    releases: Pick<Releases, 'release'>
    blobs: BlobStore
    queue: JobQueue
    feed: EventFeed
    auth: 'open' | 'required'
    /** From whom X-Forwarded-For and -Proto are believed. */
    trustProxy: string[]
    /** Connections of one address at once; 0 is no limit, null the default. */
    maxConnectionsPerAddress: number | null
    log: Logger
    limits: UploadLimits
    /** Uploads are refused while it is given up. */
    reserve: Pick<DiskReserve, 'check'>
    corsOrigins: string[]
    mediaAccess: 'public' | 'private'
    /** Names it may be asked by, beside addresses and localhost; `*` is any. */
    allowedHosts: string[]
    pages: Omit<PagesDeps, 'auth'>
    observer?: Observer | undefined
    /** Called with the size of each chunk of an upload, in bytes. */
    onBodyBytes?: ((bytes: number) => void) | undefined
    /** Why this server can't develop images, though it should; null if it can, or others do. */
    obstacle: () => string | null
    /** True once the server is stopping: what is in hand is finished, nothing new is begun. */
    isStopping: () => boolean
  }

/** How long clients may take; of tests, which can't wait for minutes. */
export type Patience = Pick<ListenerOptions, 'requestTimeoutMs' | 'stalledWriteMs'>

// Of JSON, where a route does not say otherwise: a thousand ids of images fit. What is parsed at once holds everyone up.
const BODY_LIMIT_BYTES = 64 * 1024

/** `identify` adds the hook that sets `request.principal`, before anything of a body is read. What it began is ended again if it fails. */
export async function createServer(
  deps: ServerDeps,
  identify: Identify = (server) => addPrincipal(server, deps),
  patience: Patience = {},
): Promise<HttpServer> {
  const { log, corsOrigins, allowedHosts, isStopping, feed, images, renditions, blobs, mediaAccess, trustProxy } = deps
  const server = Fastify({
    ...serverOptions(log),
    // Ours, with a code and Retry-After, comes from the hook below.
    return503OnClosing: false,
    bodyLimit: BODY_LIMIT_BYTES,
    trustProxy: trustProxy.length > 0 && trustProxy,
    ...listenerOptions({
      ...patience,
      addresses: addressLimit(deps),
      onRefused: warnOfRefused(log),
      isUpgrade: asksForLiveFeed,
      hasOwnTimeout: isReceivedAsUpload,
    }),
    routerOptions: { maxParamLength: 200 },
  })
  await using opening = new AsyncDisposableStack()
  opening.defer(() => server.close())
  answerProblems(server)
  drainRefused(server)
  requireAccess(server)
  addSecurityHeaders(server)
  if (deps.observer) observeRequests(server, deps.observer)
  server.addHook('onRequest', async (request) => {
    const { headers, raw } = request
    if (headers.host === undefined && raw.httpVersion !== '1.0') throw new CalotypeError('bad_request', 'The request has no Host header.')
    if (!isAllowedHost(headers.host, allowedHosts)) throw new CalotypeError('host_not_allowed')
    if (isSafe(request)) return
    if (!isAllowedOrigin(headers.origin, headers.host, corsOrigins)) throw new CalotypeError('origin_not_allowed')
    if (isStopping()) throw new CalotypeError('shutting_down', undefined, { retryAfterSeconds: 5 })
  })
  if (corsOrigins.length > 0) {
    await server.register(cors, {
      origin: corsOrigins,
      exposedHeaders: ['Link', 'Location', 'Retry-After'],
      methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    })
  }
  await server.register(cookie)
  identify(server)
  const guard = guardAccess(deps)
  server.addHook('preClose', async () => guard.close())
  followAccess(server, guard, { mediaAccess })
  describeApi(server)
  await addLiveFeed(server, { feed, corsOrigins, guard })
  await server.register(authRoutes, deps)
  await server.register(sessionRoutes, deps)
  await server.register(keyRoutes, deps)
  await server.register(userRoutes, deps)
  await server.register(auditRoutes, deps)
  await server.register(adminOverviewRoutes, deps)
  await server.register(adminImageRoutes, deps)
  await server.register(adminQueueRoutes, deps)
  await server.register(adminJobRoutes, deps)
  const onLoss = tellLosses(log, deps.observer)
  await server.register(mediaRoutes, { images, renditions, blobs, recipe: deps.recipe, mediaAccess, onLoss })
  await server.register(uploadRoutes, deps)
  await server.register(batchRoutes, deps)
  await server.register(imageRoutes, deps)
  await server.register(bulkImageRoutes, deps)
  await server.register(archiveRoutes, { images, blobs, onLoss })
  await server.register(eventRoutes, { feed })
  await server.register(pageRoutes, { ...deps.pages, auth: deps.auth })
  addHealth(server, deps)
  deps.observer?.watch({ watchers: () => server.websocketServer.clients.size })
  opening.move()
  return server
}
