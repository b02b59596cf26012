// One declaration for each endpoint: where it is, whom it is for, what it takes and answers, and its handler. Fastify, the access rules
// and the API description have it from here.
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { z } from 'zod'
import { CalotypeError, type ErrorCode } from '../errors.ts'
import type { Access } from './access/route-access.ts'
import type { Answer } from './answers.ts'

export type Tag = 'Uploads' | 'Batches' | 'Images' | 'Media' | 'Live' | 'Accounts' | 'Keys' | 'Administration' | 'Server'

/** What the API description is made of. */
export interface Description {
  /** Method and path. */
  route: `${'GET' | 'POST' | 'PATCH' | 'DELETE'} /${string}`
  access: Access
  /** A public endpoint that wants to know nevertheless who asks. */
  identifies?: true
  tag: Tag
  summary: string
  description?: string
  /** Of parameters in the path and the query: an example of each. */
  examples?: Record<string, string | number>
  /** Parameters of the query that the handler checks itself, and an example of each. */
  unchecked?: Record<string, string>
  /** Headers that a client may send. */
  headers?: Record<string, { description: string; example: string }>
  params?: z.ZodType
  query?: z.ZodType
  body?: Body
  answers: Record<number, Answer>
  /** Beside those that follow from the kind of the endpoint (`openapi/errors-of.ts`). */
  errors?: readonly ErrorCode[]
  /** Whatever else the API description says, as `x-websocket`. */
  extensions?: Record<`x-${string}`, unknown>
}

/** What is sent: checked by its schema, or received as a stream and described by JSON Schema. */
export type Body<S extends z.ZodType = z.ZodType> = CheckedBody<S> | StreamedBody
interface CheckedBody<S extends z.ZodType> {
  schema: S
  example: z.input<S>
  /** Media type; JSON without. */
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

interface Types<Path extends string, Params, Query, Sent> {
  Params: Checked<Params, Record<NamesIn<Path>, string>>
  Querystring: Checked<Query, unknown>
  Body: Checked<Sent, unknown>
}

export interface Endpoint<Route extends Description['route'], Params, Query, Sent extends z.ZodType, Answers> extends Description {
  route: Route
  params?: Params & z.ZodType
  query?: Query & z.ZodType
  body?: Body<Sent>
  answers: Answers & Record<number, Answer>
  /** Bytes of a parsed body; else the limit of the server. */
  bodyLimit?: number
  /** No cache keeps any answer. */
  noStore?: true
  /** HEAD has the same handler. Fastify's own would read all of the answer to throw it away. */
  handlesHead?: true
  onRequest?: (request: FastifyRequest) => Promise<void>
  wsHandler?: NonNullable<RouteOptions['wsHandler']>
  /**
   * Returns what is answered, with the status of the answer if the declaration has only one, or the reply, where it has sent one itself: a
   * stream, a text that was serialised before, another status.
   */
  handler(
    request: FastifyRequest<Types<Route, Params, Query, Sent>>,
    reply: FastifyReply,
  ): Promise<Returned<Answers[keyof Answers]> | FastifyReply>
}

/** Adds an endpoint to Fastify, by its declaration. */
export function addEndpoint<
  const Route extends Description['route'],
  Answers,
  Params = undefined,
  Query = undefined,
  Sent extends z.ZodType = z.ZodUnknown,
>(fastify: FastifyInstance, endpoint: Endpoint<Route, Params, Query, Sent, Answers>): void {
  const {
    route,
    access,
    identifies = false,
    params,
    query,
    body,
    bodyLimit,
    noStore,
    handlesHead,
    onRequest,
    wsHandler,
    handler,
  } = endpoint
  const [method = '', url = ''] = route.split(' ')
  const status = statusOf(endpoint.answers)
  fastify.route<Types<Route, Params, Query, Sent>>({
    method: handlesHead ? [method, 'HEAD'] : method,
    url,
    config: { access, identifies, endpoint },
    schema: { ...(params && { params }), ...(query && { querystring: query }), ...(body?.schema && { body: body.schema }) },
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

/** The status of a success, if there is only one. */
function statusOf(answers: Record<number, Answer>): number | null {
  const [status, ...others] = Object.keys(answers).map(Number)
  return status !== undefined && status > 200 && others.length === 0 ? status : null
}

/** Of the endpoints of this instance: bodies are JSON or refused. */
export function takeJsonOnly(fastify: FastifyInstance): void {
  fastify.removeContentTypeParser('text/plain')
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(new CalotypeError('not_json')))
}
