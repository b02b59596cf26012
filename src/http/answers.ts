// The answers in the declarations of endpoints: for the API description, and as the types that handlers are checked against.
import { z } from 'zod'
import type { Sent } from '../api/common.ts'

/** `T` is the body that the handler returns. */
export interface Answer<T = unknown> {
  description: string
  /** Media type; JSON by default where there is a schema. */
  type?: string
  /** Called by the API description alone. */
  schema?: () => z.ZodType
  example?: T
  /** Their descriptions, by name. */
  headers?: Record<string, string>
}

type Output<S extends z.ZodType> = z.output<S>

/** A JSON value. */
export const one = <S extends z.ZodType>(
  description: string,
  sent: Sent<S>,
  { example = sent.example, headers }: { example?: Output<S>; headers?: Record<string, string> } = {},
): Answer<Output<S>> => ({ description, schema: () => sent.schema, example, ...(headers && { headers }) })

/** A JSON array with everything there is. */
export const all = <S extends z.ZodType>(description: string, sent: Sent<S>): Answer<Output<S>[]> => ({
  description,
  schema: () => z.array(sent.schema),
  example: [sent.example],
})

/** A JSON array with a page of a list. */
export const page = <S extends z.ZodType>(description: string, sent: Sent<S>): Answer<Output<S>[]> => ({
  ...all(description, sent),
  headers: { Link: 'rel="next": the next page; absent on the last' },
})

/** A JSON value or a page of a list, as the query asks for. */
export const oneOrPage = <A extends z.ZodType, B extends z.ZodType>(
  description: string,
  single: Sent<A>,
  listed: Sent<B>,
): Answer<Output<A> | Output<B>[]> => ({
  ...page(description, listed),
  schema: () => z.union([single.schema, z.array(listed.schema)]),
})

/** No body, as with 204 and 304. */
export const nothing = (description: string, headers?: Record<string, string>): Answer<void> => ({
  description,
  ...(headers && { headers }),
})

/** Bytes or a text of another media type; the handler sends it. */
export const file = (description: string, type: string, headers?: Record<string, string>): Answer<never> => ({
  description,
  type,
  ...(headers && { headers }),
})
