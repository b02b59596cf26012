// What the schemas of the wire share: how the schema of an answer is declared, and the parts that many answers and requests have.
import { z } from 'zod'
import { ERROR_CODES } from '../error-codes.ts'

/** Schemas that are components of the API description. */
export const NAMED = z.registry<{ id: string }>()

/** Something the server sends. */
export interface Sent<S extends z.ZodType = z.ZodType> {
  /** Created when it is first read, which only the API description does: answers are neither validated nor serialised by it. */
  readonly schema: S
  readonly example: z.output<S>
}

/** Declares what is sent. With an `id` its schema is a component of the API description, which other schemas refer to. */
export function sent<S extends z.ZodType>(id: string | null, create: () => S, example: z.output<S>): Sent<S> {
  let schema: S | undefined
  return {
    get schema() {
      if (schema === undefined) {
        schema = create()
        if (id !== null) NAMED.add(schema, { id })
      }
      return schema
    },
    example,
  }
}

/** Makes a schema that requests are checked by, too, a component of the API description. */
export function named<S extends z.ZodType>(id: string, schema: S): S {
  NAMED.add(schema, { id })
  return schema
}

export const errorCode = named('ErrorCode', z.enum(ERROR_CODES))

// Parts of answers.
export const time = () => z.iso.datetime().describe('ISO 8601, UTC')
export const count = () => z.int().min(0)
export const bytes = (description = 'Bytes') => count().describe(description)
export const milliseconds = () => count().describe('Milliseconds')
export const sentence = () => z.string().describe('A sentence for a person')
/** A user; `email` is null once the account is gone. */
export const person = (id: z.ZodType<string> = z.string()) => z.strictObject({ id, email: z.string().nullable() }).nullable()

// Parts of requests.
/** ISO 8601 with its offset; becomes milliseconds since 1970. */
export const timeInMs = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))
export const search = z.string().max(200).optional()
export const cursor = z.string().max(2_000).optional()
export const limit = (max: number) => z.coerce.number().int().min(1).max(max)

/** For `z.object`: the parameters of a page of a list. */
export const page = (max: number, byDefault: number) => ({ limit: limit(max).default(byDefault), cursor })

/** Path parameters of something with a UUID. */
export const byId = z.object({ id: z.uuid() })

/** The examples refer to each other by these. */
export const EXAMPLE_IDS = {
  image: '019abf0e-5c1e-7a42-9d0b-3f6f3a1c2b77',
  batch: '019abf0e-5b9a-7c11-8f2d-6a0c9e4d1f05',
  user: '019abe00-1111-7000-8000-0123456789ab',
  key: '019abe00-2222-7000-8000-0123456789ab',
  session: '019abe00-3333-7000-8000-0123456789ab',
  auditEntry: '019abe00-4444-7000-8000-0123456789ab',
  job: '019abe00-5555-7000-8000-0123456789ab',
} as const
