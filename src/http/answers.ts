// What an endpoint answers with, as its declaration says it: for the API description, and for the types that its handler is held to.
import { z } from 'zod'
import type { Sent } from '../api/common.ts'

/** `T` is what the handler returns for it. It is documentation alone: nothing is validated or serialised by it while the server runs. */
export interface Answer<T = unknown> {
  description: string
  /** Media type; JSON, if it has a schema. */
  type?: string
  schema?: () => z.ZodType
  example?: T
  /** What each says. */
  headers?: Record<string, string>
}

type Output<S extends z.ZodType> = z.output<S>

export const one = <S extends z.ZodType>(
  description: string,
  sent: Sent<S>,
  { example = sent.example, headers }: { example?: Output<S>; headers?: Record<string, string> } = {},
): Answer<Output<S>> => ({ description, schema: () => sent.schema, example, ...(headers && { headers }) })

export const all = <S extends z.ZodType>(description: string, sent: Sent<S>): Answer<Output<S>[]> => ({
  description,
  schema: () => z.array(sent.schema),
  example: [sent.example],
})

export const page = <S extends z.ZodType>(description: string, sent: Sent<S>): Answer<Output<S>[]> => ({
  ...all(description, sent),
  headers: { Link: 'rel="next": the next page; absent on the last' },
})

/** One thing, or a page of others, as the query says. */
export const oneOrPage = <A extends z.ZodType, B extends z.ZodType>(
  description: string,
  single: Sent<A>,
  listed: Sent<B>,
): Answer<Output<A> | Output<B>[]> => ({
  ...page(description, listed),
  schema: () => z.union([single.schema, z.array(listed.schema)]),
})

/** 204, 304 and the like. */
export const nothing = (description: string, headers?: Record<string, string>): Answer<void> => ({
  description,
  ...(headers && { headers }),
})

/** Bytes or text that the handler sends itself. */
export const file = (description: string, type: string, headers?: Record<string, string>): Answer<never> => ({
  description,
  type,
  ...(headers && { headers }),
})
