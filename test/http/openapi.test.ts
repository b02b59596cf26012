// The API description: it is OpenAPI 3.1, has every route, shows examples that fit, and knows every error.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { ERRORS } from '../../src/error-codes.ts'
import { TRAITS } from '../../src/error-codes.ts'
import { ask } from '../support/clients/client.ts'
import { startShared, type Shared } from '../support/clients/principals.ts'

interface Content {
  schema: object
  example?: unknown
  examples?: Record<string, { $ref: string }>
}
interface Parameter {
  name: string
  in: string
  required?: boolean
  schema: object
  example?: unknown
}
interface Described {
  operationId: string
  summary: string
  description: string
  'x-scope': string
  security: object[]
  parameters?: Parameter[]
  requestBody?: { required: boolean; content: Record<string, Content> }
  responses: Record<string, { description: string; content?: Record<string, Content> }>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Described>>
  components: { schemas: Record<string, object>; examples: Record<string, { value: { code: string } }> }
}

/** What is no call of the API: the pages of the app and their files. */
const PAGES = [
  ...[
    '/',
    '/gallery',
    '/gallery/:id',
    '/batches/:id',
    '/login',
    '/setup',
    '/account',
    '/api/docs',
    '/assets/*',
    '/admin',
    '/admin/images/:id',
  ],
  ...['images', 'batches', 'failures', 'workers', 'users', 'keys', 'audit', 'settings'].map((section) => `/admin/${section}`),
]

/** Calls that change something and take no body. */
const WITHOUT_BODY = [
  'POST /api/auth/logout',
  'POST /api/admin/queue/resume',
  'POST /api/admin/jobs/{id}/cancel',
  'POST /api/batches/{id}/cancel',
  'POST /api/batches/{id}/retry',
  'POST /api/images/{id}/retry',
]

let shared: Shared
let document: Document
let operations: [key: string, operation: Described][]
before(async () => {
  shared = await startShared()
  const answer = await ask<Document>({ url: shared.publicUrl }, '/api/openapi.json')
  assert.equal(answer.status, 200)
  document = answer.body
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Described] => [`${method.toUpperCase()} ${path}`, operation]),
  )
})
after(() => shared.end())

describe('the document', () => {
  test('is valid OpenAPI 3.1', async () => {
    assert.equal(document.openapi, '3.1.0')
    const { valid, errors } = await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>)
    assert.ok(valid, JSON.stringify(errors, null, 2))
  })

  test('has every route of the server, and no other', () => {
    const routes = shared.routes.filter((route) => !route.startsWith('HEAD ') && !route.startsWith('OPTIONS '))
    const calls = routes.filter((route) => !PAGES.includes(route.split(' ')[1]!))
    const described = operations.map(([key]) => key.replace(/\{(\w+)\}/g, ':$1'))
    assert.deepEqual(described.sort(), calls.sort())
  })

  test('gives each call a name of its own, a summary and what it takes to make it', () => {
    const ids = operations.map(([, { operationId }]) => operationId)
    assert.equal(new Set(ids).size, ids.length)
    for (const [key, { summary, description, security, 'x-scope': scope }] of operations) {
      assert.ok(summary, `${key} has no summary`)
      assert.ok(['public', 'media', 'session', 'upload', 'read', 'delete', 'admin'].includes(scope), key)
      assert.ok(description.length > 0, key)
      const isPublic = scope === 'public'
      assert.equal(
        security.some((one) => 'key' in one),
        !isPublic && scope !== 'session',
        key,
      )
    }
  })

  test('refers to nothing that is not there, and keeps nothing that nobody refers to', () => {
    const text = JSON.stringify(document)
    const wanted = new Set([...text.matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)].map(([, kind, name]) => `${kind} ${name}`))
    const { schemas, examples } = document.components
    const there = [...Object.keys(schemas).map((name) => `schemas ${name}`), ...Object.keys(examples).map((name) => `examples ${name}`)]
    for (const one of wanted) assert.ok(there.includes(one), one)
    for (const name of Object.keys(schemas)) assert.ok(wanted.has(`schemas ${name}`), `${name} is not used`)
  })
})

describe('examples', () => {
  let validate: (schema: object, value: unknown, where: string) => void
  before(() => {
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    addFormats.default(ajv)
    ajv.addSchema(document, 'api')
    validate = (schema, value, where) => {
      const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object
      const check = ajv.compile(absolute)
      assert.ok(check(value), `${where}: ${ajv.errorsText(check.errors)} in ${JSON.stringify(value)}`)
    }
  })

  test('of requests are there and fit', () => {
    for (const [key, { parameters = [], requestBody }] of operations) {
      for (const { name, schema, example, in: place } of parameters) {
        if (place === 'path') assert.notEqual(example, undefined, `${name} of ${key} has no example`)
        if (example !== undefined) validate(schema, example, `${name} of ${key}`)
      }
      const takesBody = /^(POST|PATCH) /.test(key) && !WITHOUT_BODY.includes(key)
      assert.equal(requestBody !== undefined, takesBody, `the body of ${key}`)
      for (const [type, { schema, example }] of Object.entries(requestBody?.content ?? {})) {
        assert.notEqual(example, undefined, `the body of ${key}`)
        validate(schema, example, `the body of ${key}`)
        assert.match(type, /^[a-z]+\/[a-z-]+$/)
      }
    }
  })

  test('of answers are there, fit, and have no property that their schema does not know', () => {
    for (const [key, { responses }] of operations) {
      const good = Object.entries(responses).filter(([status]) => Number(status) < 400)
      assert.ok(good.length > 0, key)
      for (const [status, { description, content = {} }] of good) {
        assert.ok(description, `${status} of ${key}`)
        for (const [type, { schema, example }] of Object.entries(content)) {
          if (!type.endsWith('json') || key === 'GET /api/openapi.json') continue
          assert.notEqual(example, undefined, `${status} of ${key}`)
          validate(schema, example, `${status} of ${key}`)
        }
      }
    }
  })

  test('of a schema are refused where they do not fit it', () => {
    assert.throws(() => validate({ $ref: '#/components/schemas/Image' }, { id: 'x' }, 'an image'))
  })
})

/** Every value under this name in the document, with where it stands. */
function* valuesOf(name: string, value: unknown = document, place = ''): Generator<[place: string, value: unknown]> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    if (key === name) yield [place, inner]
    yield* valuesOf(name, inner, `${place}/${key}`)
  }
}

describe('what tools make of it', () => {
  interface Property {
    type?: string
    format?: string
    minItems?: number
  }
  const bodyOf = ({ requestBody }: Described) => {
    const [type = '', { schema, example } = { schema: {} }] = Object.entries(requestBody?.content ?? {})[0] ?? []
    const { properties = {}, maxProperties } = schema as { properties?: Record<string, Property>; maxProperties?: number }
    // One of several: what stands in the example would be in the way.
    return { type, example: maxProperties === 1 ? {} : (example as Record<string, unknown>), properties }
  }
  async function send(key: string, body?: string, type?: string) {
    const [method = '', path = ''] = key.split(' ')
    const answer = await fetch(shared.publicUrl + path.replaceAll(/\{\w+\}/g, crypto.randomUUID()), {
      method,
      headers: { 'x-who': 'root', ...(type !== undefined && { 'content-type': type }) },
      ...(body !== undefined && { body }),
    })
    return { status: answer.status, code: answer.ok ? null : ((await answer.json()) as { code: string }).code }
  }

  test('patterns are of the syntax that JavaScript, Python, Java and Go share', () => {
    const patterns = [...valuesOf('pattern')].filter(([, pattern]) => typeof pattern === 'string') as [string, string][]
    assert.ok(patterns.length > 10)
    for (const [place, pattern] of patterns) {
      new RegExp(pattern)
      new RegExp(pattern, 'u')
      // Groups that look around, have names or set flags; classes of Unicode; escapes and repeats that not all have.
      assert.doesNotMatch(pattern, /\(\?(?!:)/, place)
      assert.doesNotMatch(pattern, /\\(?![dwsx.+*?()[\]{}|^$/\\-])/, place)
      assert.doesNotMatch(pattern, /\\x(?![0-9a-f]{2})|[+*?}]\+/, place)
    }
  })

  test('examples of headers can be sent', () => {
    let headers = 0
    for (const [key, { parameters = [] }] of operations) {
      for (const { name, in: place, example } of parameters) {
        if (place !== 'header') continue
        headers += 1
        assert.match(String(example), /^[\x21-\x7e]+( [\x21-\x7e]+)*$/, `${name} of ${key}`)
        assert.doesNotThrow(() => new Headers([[name, String(example)]]))
      }
    }
    assert.ok(headers > 5)
  })

  test('a body that may be left out, and no other, is said to be optional', async () => {
    const optional = operations.filter(([, { requestBody }]) => requestBody?.required === false).map(([key]) => key)
    assert.deepEqual(optional, ['POST /api/admin/users/{id}/reset-password'])
    for (const [key, { requestBody }] of operations) {
      if (!requestBody) continue
      const { status } = await send(key)
      assert.equal([400, 403, 415].includes(status), requestBody.required, `${key} without a body: ${status}`)
    }
  })

  test('a list that may be empty, and no other, has no least number of items', async () => {
    let lists = 0
    for (const [key, operation] of operations) {
      const { type, example, properties } = bodyOf(operation)
      for (const [name, property] of Object.entries(properties)) {
        if (property.type !== 'array' || type === 'multipart/form-data') continue
        lists += 1
        const body = type === 'application/json' ? JSON.stringify({ ...example, [name]: [] }) : ''
        const { status } = await send(key, body, type)
        assert.equal(status === 400, (property.minItems ?? 0) > 0, `${key} with no ${name}: ${status}`)
      }
    }
    assert.ok(lists >= 5)
  })

  test('an e-mail address is said to be one wherever it is checked', () => {
    for (const [key, operation] of operations) {
      const { email } = bodyOf(operation).properties
      if (email) assert.equal(email.format, 'email', key)
    }
  })
})

describe('errors', () => {
  test('are those of the one table, each with its status', () => {
    assert.deepEqual(Object.keys(document.components.examples).sort(), Object.keys(ERRORS).sort())
    const said = new Set<string>()
    for (const [key, { responses }] of operations) {
      for (const [status, { content }] of Object.entries(responses)) {
        for (const code of Object.keys(content?.['application/json']?.examples ?? {})) {
          assert.equal(TRAITS[code as keyof typeof TRAITS].status, Number(status), `${code} of ${key}`)
          said.add(code)
        }
      }
      assert.ok(responses['500'], key)
    }
    // Of addresses that take another method, which no call is about.
    const never = Object.keys(ERRORS).filter((code) => !said.has(code))
    assert.deepEqual(never, ['method_not_allowed'])
  })

  test('that a server gives are said of the call', async () => {
    const refused: [string, string, RequestInit][] = [
      ['GET /api/list', '/api/list?limit=x', {}],
      ['GET /api/images/{id}', '/api/images/none', {}],
      ['POST /api/upload', '/api/upload', { method: 'POST', body: 'x' }],
      ['POST /api/batches', '/api/batches', { method: 'POST', body: 'x' }],
      ['POST /api/images/delete', '/api/images/delete', { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } }],
      ['GET /ws/upload/', '/ws/upload/', {}],
      ['POST /api/auth/login', '/api/auth/login', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }],
    ]
    for (const [key, path, init] of refused) {
      const answer = await fetch(shared.publicUrl + path, { ...init, headers: { ...init.headers, 'x-who': 'root' } })
      const { code } = (await answer.json()) as { code: string }
      const operation = operations.find(([name]) => name === key)![1]
      const said = Object.keys(operation.responses[answer.status]?.content?.['application/json']?.examples ?? {})
      assert.ok(said.includes(code), `${code} of ${key}`)
    }
  })
})
