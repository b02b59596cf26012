// The API description: OpenAPI 3.1, made of the routes, of the schemas that check their requests, and of the tables beside this file.
import swagger from '@fastify/swagger'
import Fastify, { type RouteOptions } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { checkedByZod } from '../hooks/checked-by-zod.ts'
import type { Access } from '../access/route-access.ts'
import { adminOperations } from './admin-operations.ts'
import { accountOperations } from './account-operations.ts'
import { errorsOf, problemAnswers, problemExamples, type RouteKind } from './errors-of.ts'
import { imageOperations } from './image-operations.ts'
import type { Answer, Operation, Operations } from './operation.ts'
import { uploadOperations } from './upload-operations.ts'
import { NAMED } from './wire-schemas.ts'

export const OPERATIONS: Operations = { ...uploadOperations, ...imageOperations, ...accountOperations, ...adminOperations }

const TAGS = {
  Uploads: 'The ways in. What is acknowledged is durable.',
  Batches: 'What was sent, or is going to be, together: declared, counted, cancelled, tried again.',
  Images: 'What was taken, and what became of it.',
  Media: 'The bytes: developed images, thumbnails, originals.',
  Live: 'Every change as it happens.',
  Accounts: 'Signing in and out.',
  Keys: 'Keys for programs, each with scopes, an owner and an expiry.',
  Administration: 'For administrators.',
  Server: 'The server itself.',
}

const INFO = {
  title: 'Calotype',
  version: '1',
  description:
    'Takes images in, keeps the originals safely, develops them, and tells who is watching. Every failure is `{"error","code"}` with a stable code. With `AUTH=required`, programs send a key as `Authorization: Bearer`, and pages of the server have the cookie of a session; an open server asks nobody who they are.',
}

const SECURITY_SCHEMES = {
  key: { type: 'http', scheme: 'bearer', description: 'An API key, with the scope the call takes' },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: 'calotype_session',
    description:
      'Of who signed in; `__Host-calotype_session` by TLS. With the header `calotype-user`, a user id, it is taken only while it is theirs',
  },
} as const

type Json = Record<string, unknown>
interface DescribedOperation extends Json {
  parameters?: (Json & { name: string; in: string })[]
  requestBody?: { content: Record<string, Json> }
}

type Paths = Record<string, Record<string, Json>>

const keyOf = (method: string, url: string) => `${method} ${url}`

/** Schemas of answers are for the document alone: they check and write nothing while the server runs. */
export async function documentOf(routes: readonly RouteOptions[]): Promise<object> {
  const kinds = new Map<string, RouteKind>()
  for (const route of routes) for (const method of [route.method].flat()) kinds.set(keyOf(method, route.url), kindOf(route, method))
  // The package hears of routes as they are added. This server has them for that alone.
  const server = Fastify({ ...checkedByZod, exposeHeadRoutes: false })
  await server.register(swagger, {
    openapi: { openapi: '3.1.0', info: INFO, tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })) },
    transform: (route) => (route.schema ? jsonSchemaTransform(route) : { schema: {}, url: route.url }),
    transformObject(document) {
      if (!('openapiObject' in document)) throw new Error('this is not OpenAPI')
      const { paths = {}, ...head } = document.openapiObject
      describeOperations(paths as Paths, kinds)
      return { ...head, components: { schemas: namedSchemas(), examples: problemExamples(), securitySchemes: SECURITY_SCHEMES }, paths }
    },
  })
  for (const { method, url, schema = {} } of routes) server.route({ method, url, schema, handler: () => undefined })
  await server.ready()
  return server.swagger()
}

function kindOf({ url, schema, config }: RouteOptions, method: string): RouteKind {
  const { access = 'admin', identifies = false } = (config ?? {}) as { access?: Access; identifies?: boolean }
  return {
    method,
    url,
    access,
    identifies,
    isChecked: Boolean(schema?.body ?? schema?.querystring ?? schema?.params),
    isBodyOptional: schema?.body instanceof z.ZodType && schema.body.safeParse(undefined).success,
  }
}

/** Completes what the routes say of themselves; HEAD is said with its GET. */
function describeOperations(paths: Paths, kinds: Map<string, RouteKind>): void {
  for (const [key, kind] of kinds) {
    const path = paths[kind.url.replace(/:(\w+)/g, '{$1}')]
    const own = path?.[kind.method.toLowerCase()]
    if (!path || !own) continue
    const operation = OPERATIONS[key]
    if (kind.method === 'HEAD') delete path.head
    else if (operation) path[kind.method.toLowerCase()] = describe(own, operation, kind)
  }
}

function describe(own: DescribedOperation, operation: Operation, kind: RouteKind): Json {
  const { tag, summary, description, parameters = {}, headers = {}, answers, extensions = {} } = operation
  const said = (own.parameters ?? []).map((parameter) =>
    parameter.name in parameters ? { ...parameter, example: parameters[parameter.name] } : parameter,
  )
  const unsaid = Object.entries(parameters)
    .filter(([name]) => !said.some((parameter) => parameter.name === name))
    .map(([name, example]) => ({ name, in: 'query', schema: { type: 'string' }, example }))
  const sent = Object.entries(headers).map(([name, header]) => ({ name, in: 'header', schema: { type: 'string' }, ...header }))
  const all = [...said, ...unsaid, ...sent]
  return {
    operationId: `${kind.method.toLowerCase()}${kind.url.replace(/[^A-Za-z]+(\w?)/g, (_, letter: string) => letter.toUpperCase())}${kind.url.endsWith('/') ? 'Slash' : ''}`,
    tags: [tag],
    summary,
    description: [description, needs(kind)].filter(Boolean).join('\n\n'),
    security: securityOf(kind),
    'x-scope': kind.access,
    ...(all.length > 0 && { parameters: all }),
    ...requestBody(own, operation, kind),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, answerObject(answer)])),
      ...problemAnswers(errorsOf(kind, operation)),
    },
    ...extensions,
  }
}

function needs({ access }: RouteKind): string {
  if (access === 'public') return 'For everyone.'
  if (access === 'media') return 'For everyone who knows the address, or with the scope `read`, as MEDIA_ACCESS says.'
  return access === 'session' ? 'For who is signed in, not for keys.' : `Takes the scope \`${access}\`.`
}

function securityOf({ access, identifies }: RouteKind): Json[] {
  if (access === 'public') return identifies ? [{}, { session: [] }] : []
  if (access === 'session') return [{ session: [] }]
  return [...(access === 'media' ? [{}] : []), { key: [] }, { session: [] }]
}

function requestBody({ requestBody: own }: DescribedOperation, { body }: Operation, kind: RouteKind): { requestBody?: Json } {
  if (body === undefined) return {}
  const { type = 'application/json', example } = body
  const schema = body.schema ?? Object.values(own?.content ?? {})[0]?.schema ?? {}
  return { requestBody: { required: !kind.isBodyOptional, content: { [type]: { schema, example } } } }
}

function answerObject({ description, type, schema, example, headers }: Answer): Json {
  const kept = Object.entries(headers ?? {}).map(([name, description]) => [name, { description, schema: { type: 'string' } }] as const)
  const content = schema ? { schema: schemaObject(schema), example } : { schema: type?.includes('json') ? { type: 'object' } : {} }
  return {
    description,
    ...(kept.length > 0 && { headers: Object.fromEntries(kept) }),
    ...((schema ?? type) && { content: { [type ?? 'application/json']: content } }),
  }
}

/** What has a name is referred to. */
function schemaObject(schema: z.ZodType): Json {
  const { id } = NAMED.get(schema) ?? {}
  if (id !== undefined) return { $ref: uriOf(id) }
  if (schema instanceof z.ZodArray) return { type: 'array', items: schemaObject(schema.element as z.ZodType) }
  if (schema instanceof z.ZodUnion) return { anyOf: (schema.options as z.ZodType[]).map(schemaObject) }
  return bare(z.toJSONSchema(schema))
}

const uriOf = (id: string) => `#/components/schemas/${id}`

function namedSchemas(): Record<string, Json> {
  const { schemas } = z.toJSONSchema(NAMED, { uri: uriOf })
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema)]))
}

function bare(schema: Json): Json {
  const { $schema: _schema, $id: _id, ...json } = schema
  return json
}
