// The API description: OpenAPI 3.1, made from the declarations of the endpoints.
import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { NAMED } from '../../api/common.ts'
import { error } from '../../api/errors.ts'
import type { Answer } from '../answers.ts'
import { requestSchemas, type Description, type Tag } from '../endpoint.ts'
import { checkedByZod } from '../hooks/checked-by-zod.ts'
import { errorsOf, problemAnswers, problemExamples } from './errors-of.ts'

const TAGS: Record<Tag, string> = {
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
  requestBody?: { required?: boolean; content: Record<string, Json> }
}

type Paths = Record<string, Record<string, DescribedOperation>>

const splitRoute = ({ route }: Description) => route.split(' ') as [method: string, url: string]

export async function documentOf(endpoints: readonly Description[]): Promise<object> {
  // The package hears of routes as they are added. This server has them for that alone.
  const server = Fastify({ ...checkedByZod, exposeHeadRoutes: false })
  await server.register(swagger, {
    openapi: { openapi: '3.1.0', info: INFO, tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })) },
    transform: jsonSchemaTransform,
    transformObject(document) {
      if (!('openapiObject' in document)) throw new Error('this is not OpenAPI')
      const { paths = {}, ...head } = document.openapiObject
      for (const endpoint of endpoints) describeOperation(paths as Paths, endpoint)
      return { ...head, components: { schemas: namedSchemas(), examples: problemExamples(), securitySchemes: SECURITY_SCHEMES }, paths }
    },
  })
  for (const endpoint of endpoints) {
    const [method, url] = splitRoute(endpoint)
    server.route({ method, url, schema: requestSchemas(endpoint), handler: () => undefined })
  }
  await server.ready()
  return server.swagger()
}

/** Completes what the package has made of the schemas of its request. */
function describeOperation(paths: Paths, endpoint: Description): void {
  const [method, url] = splitRoute(endpoint)
  const path = paths[url.replace(/:(\w+)/g, '{$1}')]
  const own = path?.[method.toLowerCase()]
  if (path && own) path[method.toLowerCase()] = describe(own, endpoint)
}

function describe(own: DescribedOperation, endpoint: Description): Json & DescribedOperation {
  const { tag, summary, description, access, examples = {}, unchecked = {}, headers = {}, answers, extensions = {} } = endpoint
  const [method, url] = splitRoute(endpoint)
  const checked = (own.parameters ?? []).map((parameter) =>
    parameter.name in examples ? { ...parameter, example: examples[parameter.name] } : parameter,
  )
  const others = Object.entries(unchecked).map(([name, example]) => ({ name, in: 'query', schema: { type: 'string' }, example }))
  const sent = Object.entries(headers).map(([name, header]) => ({ name, in: 'header', schema: { type: 'string' }, ...header }))
  const parameters = [...checked, ...others, ...sent]
  return {
    operationId: `${method.toLowerCase()}${url.replace(/[^A-Za-z]+(\w?)/g, (_, letter: string) => letter.toUpperCase())}${url.endsWith('/') ? 'Slash' : ''}`,
    tags: [tag],
    summary,
    description: [description, needs(endpoint)].filter(Boolean).join('\n\n'),
    security: securityOf(endpoint),
    'x-scope': access,
    ...(parameters.length > 0 && { parameters }),
    ...requestBody(own, endpoint),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, answerObject(answer)])),
      ...problemAnswers(errorsOf(endpoint)),
    },
    ...extensions,
  }
}

function needs({ access }: Description): string {
  if (access === 'public') return 'For everyone.'
  if (access === 'media') return 'For everyone who knows the address, or with the scope `read`, as MEDIA_ACCESS says.'
  return access === 'session' ? 'For who is signed in, not for keys.' : `Takes the scope \`${access}\`.`
}

function securityOf({ access, identifies }: Description): Json[] {
  if (access === 'public') return identifies ? [{}, { session: [] }] : []
  if (access === 'session') return [{ session: [] }]
  return [...(access === 'media' ? [{}] : []), { key: [] }, { session: [] }]
}

function requestBody({ requestBody: own }: DescribedOperation, { body }: Description): DescribedOperation {
  if (body === undefined) return {}
  const { type = 'application/json', example } = body
  const schema = body.schema ? (Object.values(own?.content ?? {})[0]?.schema ?? {}) : body.jsonSchema
  return { requestBody: { required: !body.schema?.safeParse(undefined).success, content: { [type]: { schema, example } } } }
}

function answerObject({ description, type, schema, example, headers }: Answer): Json {
  const kept = Object.entries(headers ?? {}).map(([name, description]) => [name, { description, schema: { type: 'string' } }] as const)
  const content = schema ? { schema: schemaObject(schema()), example } : { schema: type?.includes('json') ? { type: 'object' } : {} }
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

/** Those of the answers, which were made when these were described, and that of every failure. */
function namedSchemas(): Record<string, Json> {
  void error.schema
  const { schemas } = z.toJSONSchema(NAMED, { uri: uriOf })
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema)]))
}

function bare(schema: Json): Json {
  const { $schema: _schema, $id: _id, ...json } = schema
  return json
}
