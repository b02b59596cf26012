// The log: JSON lines on stderr, because stdout says where the server is and nothing else.
import { destination, pino, stdTimeFunctions, type Logger } from 'pino'
import type { LogLevel } from './config.ts'

export type { Logger }

export function createLog(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination(2),
  )
}
