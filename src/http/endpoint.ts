// One declaration for each endpoint: its address, whom it is for, what it takes and answers, and its handler. Fastify's route, the access
// check and the API description all follow from it.
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { z } from 'zod'
import type { ErrorCode } from '../error-codes.ts'
import { CalotypeError } from '../errors.ts'
import type { Access } from './access/route-access.ts'
import type { Answer } from './answers.ts'

export type Tag = 'Uploads' | 'Batches' | 'Images' | 'Media' | 'Live' | 'Accounts' | 'Keys' | 'Administration' | 'Server'

/** The part of a declaration that the API description is made from. */
export interface Description {
  route: `${'GET' | 'POST' | 'PATCH' | 'DELETE'} /${string}`
  access: Access
  /** The caller is identified although the endpoint is public. */
  identifies?: true
  tag: Tag
  summary: string
  description?: string
  /** An example for parameters in the path and the query, by name. */
  examples?: Record<string, string | number>
  /** Query parameters that no schema checks, because the handler does: an example of each, by name. */
  unchecked?: Record<string, string>
  /** Request headers beside those of HTTP itself, by name. */
  headers?: Record<string, { description: string; example: string }>
  params?: z.ZodType
  query?: z.ZodType
  body?: Body
  answers: Record<number, Answer>
  /** Codes beside those that follow from the rest of the declaration (`openapi/errors-of.ts`). */
  errors?: readonly ErrorCode[]
  /** OpenAPI extensions. */
  extensions?: Record<`x-${string}`, unknown>
}

/** A request body: parsed and checked by a schema, or received as a stream, of which a JSON Schema tells clients the shape. */
export type Body<S extends z.ZodType = z.ZodType> = CheckedBody<S> | StreamedBody
interface CheckedBody<S extends z.ZodType> {
  schema: S
  example: z.input<S>
  /** Media type; JSON by default. */
  type?: string
}
export interface StreamedBody {
  schema?: never
  type: string
  jsonSchema: object
  example: unknown
}

declare module 'fastify' {
  interface FastifyContextConfig {
    endpoint?: Description
  }
}

type Checked<S, Otherwise> = S extends z.ZodType ? z.output<S> : Otherwise
type NamesIn<Path extends string> = Path extends `${string}/:${infer Name}/${infer Rest}`
  ? Name | NamesIn<`/${Rest}`>
  : Path extends `${string}/:${infer Name}`
    ? Name
    : never
type Returned<A> = A extends Answer<infer T> ? T : never

interface RequestTypes<Route extends string, Params, Query, Parsed> {
  Params: Checked<Params, Record<NamesIn<Route>, string>>
  Querystring: Checked<Query, unknown>
  Body: Checked<Parsed, unknown>
}

/** What the schemas say is the type of the handler's request; what its answers say is the type of what it returns. */
export interface Endpoint<Route extends Description['route'], Params, Query, Parsed extends z.ZodType, Answers> extends Description {
  route: Route
  params?: Params & z.ZodType
  query?: Query & z.ZodType
  body?: Body<Parsed>
  answers: Answers & Record<number, Answer>
  /** Largest parsed body in bytes; the server's default otherwise. */
  bodyLimit?: number
  /** Answers with `Cache-Control: no-store`. */
  noStore?: true
  /** The handler answers HEAD as well. Fastify's own HEAD reads the whole answer and throws it away. */
  handlesHead?: true
  onRequest?: (request: FastifyRequest) => Promise<void>
  wsHandler?: NonNullable<RouteOptions['wsHandler']>
  /**
   * Resolves with the body of the answer, or with the reply once it has sent a stream or a serialised text itself. Where `answers` has
   * only one status, it is set beforehand.
   */
  handler(
    request: FastifyRequest<RequestTypes<Route, Params, Query, Parsed>>,
    reply: FastifyReply,
  ): Promise<Returned<Answers[keyof Answers]> | FastifyReply>
}

/** The schemas that Fastify checks requests by. */
export const requestSchemas = ({ params, query, body }: Description) => ({
  ...(params && { params }),
  ...(query && { querystring: query }),
  ...(body?.schema && { body: body.schema }),
})

/** Adds the route of an endpoint. Nothing validates or serialises its answers: their schemas are types and documentation. */
export function addEndpoint<
  const Route extends Description['route'],
  Answers,
  Params = undefined,
  Query = undefined,
  Parsed extends z.ZodType = z.ZodUnknown,
>(fastify: FastifyInstance, endpoint: Endpoint<Route, Params, Query, Parsed, Answers>): void {
  const { route, access, identifies = false, bodyLimit, noStore, handlesHead, onRequest, wsHandler, handler } = endpoint
  const [method = '', url = ''] = route.split(' ')
  const status = statusOf(endpoint.answers)
  fastify.route<RequestTypes<Route, Params, Query, Parsed>>({
    method: handlesHead ? [method, 'HEAD'] : method,
    url,
    config: { access, identifies, endpoint },
    schema: requestSchemas(endpoint),
    ...(bodyLimit !== undefined && { bodyLimit }),
    ...(onRequest && { onRequest }),
    ...(wsHandler && { wsHandler }),
    handler(request, reply) {
      if (noStore) reply.header('cache-control', 'no-store')
      if (status !== null) reply.code(status)
      return handler(request, reply)
    },
  })
}

/** The status that is set before the handler runs; null for 200, the default, and where the handler chooses. */
function statusOf(answers: Record<number, Answer>): number | null {
  const [status, ...others] = Object.keys(answers).map(Number)
  return status !== undefined && status > 200 && others.length === 0 ? status : null
}

/** Makes the routes of this instance refuse every body that is not JSON, with `not_json`. */
export function takeJsonOnly(fastify: FastifyInstance): void {
  fastify.removeContentTypeParser('text/plain')
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(new CalotypeError('not_json')))
}
