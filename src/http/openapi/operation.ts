// What the API description says of one call beside what its route says itself.
import type { z } from 'zod'
import type { ErrorCode } from '../../errors.ts'

export interface Answer {
  description: string
  /** Media type; JSON, if it has a schema and does not say. */
  type?: string
  /** Documentation alone: nothing is checked or written by it. */
  schema?: z.ZodType
  example?: unknown
  /** What each says. */
  headers?: Record<string, string>
}

export interface Operation {
  tag: string
  summary: string
  description?: string
  /** Of the parameters in path and query, and of the headers a client may send: an example of each. */
  parameters?: Record<string, string | number>
  headers?: Record<string, { description: string; example: string }>
  /** Its schema is that of the route, unless the route takes its body as a stream. */
  body?: { example: unknown; type?: string; schema?: Record<string, unknown> }
  answers: Record<number, Answer>
  /** Beside those that follow from the kind of the route (`errorsOf`). */
  errors?: ErrorCode[]
  /** Whatever else the document has to say, as `x-websocket`. */
  extensions?: Record<`x-${string}`, unknown>
}

/** By `METHOD /path`, as the route has it. */
export type Operations = Record<string, Operation>
