// What a worker says about itself: that it lives, whether it takes work, what its children do.
import Fastify, { type FastifyInstance } from 'fastify'
import type { Logger } from '../log.ts'
import type { ImageProcessor } from '../process/image-processor.ts'
import type { OriginalStore } from '../record/originals/original-store.ts'
import { addHealth } from './routes/health.ts'
import { answerProblems } from './hooks/problem.ts'
import { serverOptions } from './hooks/server-options.ts'
import { addSecurityHeaders } from './hooks/security-headers.ts'

export interface WorkerServerDeps {
  originals: Pick<OriginalStore, 'known'>
  processor: Pick<ImageProcessor, 'stats' | 'obstacle'>
  log: Logger
  isStopping: () => boolean
}

export async function createWorkerServer({ originals, processor, log, isStopping }: WorkerServerDeps): Promise<FastifyInstance> {
  const server = Fastify(serverOptions(log))
  answerProblems(server)
  addSecurityHeaders(server)
  addHealth(server, { originals, obstacle: () => processor.obstacle(), isStopping })
  server.get('/stats', async () => processor.stats())
  return server
}
