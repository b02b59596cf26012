// What a worker says about itself: that it lives, whether it takes work, what its children do.
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Logger } from '../log.ts'
import type { Developer } from '../process/image-processor.ts'
import type { OriginalStore } from '../record/originals/original-store.ts'
import { checkedByZod } from './hooks/checked-by-zod.ts'
import { addHealth } from './routes/health.ts'
import { answerProblems, problemOptions } from './hooks/problem.ts'
import { addSecurityHeaders } from './hooks/security-headers.ts'

export interface WorkerServerDeps {
  originals: Pick<OriginalStore, 'known'>
  developer: Pick<Developer, 'stats' | 'obstacle'>
  log: Logger
  isStopping: () => boolean
}

export async function createWorkerServer({ originals, developer, log, isStopping }: WorkerServerDeps): Promise<FastifyInstance> {
  const loggerInstance: FastifyBaseLogger = log
  const server = Fastify({
    ...problemOptions,
    ...checkedByZod,
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
  })
  answerProblems(server)
  addSecurityHeaders(server)
  addHealth(server, { originals, obstacle: () => developer.obstacle(), isStopping })
  server.get('/stats', async () => developer.stats())
  return server
}
