// What the servers of API and worker have in common: answers in our shape, schemas by Zod, our log.
import { LogController, type FastifyBaseLogger, type FastifyServerOptions } from 'fastify'
import type { Logger } from '../../log.ts'
import { checkedByZod } from './checked-by-zod.ts'
import { problemOptions } from './problem.ts'

export const serverOptions = (log: Logger) =>
  ({
    ...problemOptions,
    ...checkedByZod,
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
  }) satisfies FastifyServerOptions
