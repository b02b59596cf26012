// The HTTP front: one Fastify with its hooks, the live feed and all routes.
import cors from '@fastify/cors'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { CalotypeError } from '../errors.ts'
import type { UploadDeps } from '../flow/upload.ts'
import type { Logger } from '../log.ts'
import { archiveRoutes } from './archive.ts'
import { batchRoutes } from './batches.ts'
import { eventRoutes } from './events.ts'
import { addHealth } from './health.ts'
import { isAllowedHost } from './host.ts'
import { imageRoutes } from './images.ts'
import { addLiveFeed } from './live.ts'
import { manyRoutes } from './many.ts'
import { mediaRoutes } from './media.ts'
import { isAllowedOrigin } from './origin.ts'
import { pageRoutes, type PagesDeps } from './pages.ts'
import { answerProblems, problemOptions } from './problem.ts'
import { uploadRoutes, type UploadLimits } from './uploads.ts'

export type HttpServer = FastifyInstance

export interface ServerDeps extends UploadDeps {
  log: Logger
  limits: UploadLimits
  corsOrigins: string[]
  /** Names it may be asked by, beside addresses and localhost; `*` is any. */
  allowedHosts: string[]
  pages: PagesDeps
  /** True once the server is stopping: what is in hand is finished, nothing new is begun. */
  isStopping: () => boolean
}

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']
// Headers of a request have to be there in this time; bodies have `UPLOAD_IDLE_TIMEOUT_MS`, however large they are.
const HEADERS_TIMEOUT_MS = 60_000

export async function createServer(deps: ServerDeps): Promise<HttpServer> {
  const { log, corsOrigins, allowedHosts, isStopping, feed, images, blobs } = deps
  const loggerInstance: FastifyBaseLogger = log
  const server = Fastify({
    ...problemOptions,
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    // Ours, with a code and Retry-After, comes from the hook below.
    return503OnClosing: false,
    requestTimeout: 0,
    // Asked for below, with a code.
    http: { headersTimeout: HEADERS_TIMEOUT_MS, requireHostHeader: false },
    routerOptions: { maxParamLength: 200 },
  })
  server.setValidatorCompiler(validatorCompiler)
  server.setSerializerCompiler(serializerCompiler)
  answerProblems(server)
  server.addHook('onRequest', async ({ method, headers, raw }) => {
    if (headers.host === undefined && raw.httpVersion !== '1.0') throw new CalotypeError('bad_request', 'The request has no Host header.')
    if (!isAllowedHost(headers.host, allowedHosts)) throw new CalotypeError('host_not_allowed')
    if (SAFE_METHODS.includes(method)) return
    if (!isAllowedOrigin(headers.origin, headers.host, corsOrigins)) throw new CalotypeError('origin_not_allowed')
    if (isStopping()) throw new CalotypeError('shutting_down', undefined, { retryAfterSeconds: 5 })
  })
  if (corsOrigins.length > 0) {
    await server.register(cors, {
      origin: corsOrigins,
      exposedHeaders: ['Link', 'Location', 'Retry-After'],
      methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    })
  }
  await addLiveFeed(server, { feed, corsOrigins })
  await server.register(mediaRoutes, { images, blobs })
  await server.register(uploadRoutes, deps)
  await server.register(batchRoutes, deps)
  await server.register(imageRoutes, deps)
  await server.register(manyRoutes, deps)
  await server.register(archiveRoutes, { images, blobs })
  await server.register(eventRoutes, { feed })
  await server.register(pageRoutes, deps.pages)
  addHealth(server, { images, isStopping })
  return server
}
