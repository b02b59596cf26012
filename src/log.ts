// The log: JSON lines on stderr, because stdout says where the server is and nothing else. Images go by `image`, `batch` and `sha256`.
import { destination, pino, stdTimeFunctions, type Logger } from 'pino'
import type { LogLevel } from './config/readers.ts'

export type { Logger }

// Nothing here logs them on purpose; who once does, by mistake, does not tell them.
const SECRETS = ['authorization', 'cookie', 'headers', 'email', 'password', 'token', 'remoteAddress']
const MOST_CAUSES = 3

export function createLog(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // In place of Fastify's own, which tell who asked, from where, and with which query.
      serializers: {
        err: (error: unknown) => describeError(error, MOST_CAUSES),
        req: ({ method, url = '' }: { method: string; url?: string }) => ({ method, path: url.split('?', 1)[0] }),
        res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
      },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '[not logged]' },
    },
    destination(2),
  )
}

/** What helps to find the fault. Libraries hang much more on their errors: whole requests with their headers, commands with their arguments. */
function describeError(error: unknown, causes: number): object | string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : { type: typeof error }
  const { code, syscall, $metadata } = error as NodeJS.ErrnoException & { $metadata?: { httpStatusCode?: number } }
  return {
    type: error.name,
    message: error.message,
    code,
    syscall,
    status: $metadata?.httpStatusCode,
    stack: error.stack,
    ...(error.cause !== undefined && causes > 0 && { cause: describeError(error.cause, causes - 1) }),
  }
}
