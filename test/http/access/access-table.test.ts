// Who may call what: the status of every route for every caller. A route that is new needs a row here.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { InjectOptions } from 'fastify'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { PASSWORD } from '../../support/clients/accounts.ts'
import { CALLERS, form, startCallers, type Callers } from '../../support/clients/callers.ts'
import { photograph } from '../../support/inputs/photographs.ts'

const OPEN = '200 200 200 200 200 200 200 200 200 200'
const MEDIA = '200 200 200 200 200 200 200 200 401 401'
const READ = '401 200 200 200 403 200 403 403 401 401'
const READ_OF_MEMBER = '401 200 404 200 403 200 403 403 401 401'
const ADMIN = '401 403 403 200 403 403 403 200 401 401'
const SIGNED_IN = '401 200 200 200 403 403 403 403 401 401'

/** In the order of CALLERS: nobody, member, other, admin; keys to upload, read, delete (of the member), admin; expired, revoked. */
const TABLE: Record<string, string> = {
  'GET /': OPEN,
  'GET /gallery': OPEN,
  'GET /gallery/:id': OPEN,
  'GET /batches/:id': OPEN,
  'GET /admin': OPEN,
  'GET /admin/images': OPEN,
  'GET /admin/images/:id': OPEN,
  'GET /admin/batches': OPEN,
  'GET /admin/failures': OPEN,
  'GET /admin/workers': OPEN,
  'GET /admin/users': OPEN,
  'GET /admin/keys': OPEN,
  'GET /admin/audit': OPEN,
  'GET /admin/settings': OPEN,
  'GET /account': OPEN,
  'GET /login': OPEN,
  'GET /setup': OPEN,
  'GET /api/docs': OPEN,
  'GET /assets/*': OPEN,
  'GET /healthz': OPEN,
  'GET /readyz': OPEN,
  'GET /api/openapi.json': OPEN,
  'GET /ws/upload/': READ.replaceAll('200', '400'),
  'GET /ws/upload': READ.replaceAll('200', '400'),
  'POST /api/auth/login': MEDIA,
  'POST /api/auth/setup': '403 403 403 403 403 403 403 403 401 401',
  'POST /api/auth/logout': '204 204 204 204 204 204 204 204 401 401',
  'GET /api/auth/me': MEDIA,
  'POST /api/auth/password': SIGNED_IN,
  'GET /api/auth/sessions': SIGNED_IN,
  'DELETE /api/auth/sessions/:id': '401 204 404 404 403 403 403 403 401 401',
  'GET /api/keys': SIGNED_IN,
  'POST /api/keys': SIGNED_IN.replaceAll('200', '201'),
  'DELETE /api/keys/:id': '401 204 404 404 403 403 403 403 401 401',
  'GET /api/admin/keys': ADMIN,
  'DELETE /api/admin/keys/:id': ADMIN.replaceAll('200', '204'),
  'GET /api/admin/users': ADMIN,
  'POST /api/admin/users': ADMIN.replaceAll('200', '201'),
  'PATCH /api/admin/users/:id': ADMIN,
  'POST /api/admin/users/:id/reset-password': ADMIN,
  'GET /api/admin/audit': ADMIN,
  'GET /api/admin/audit.csv': ADMIN,
  'GET /api/admin/overview': ADMIN,
  'GET /api/admin/failures': ADMIN,
  'GET /api/admin/workers': ADMIN,
  'GET /api/admin/settings': ADMIN,
  'GET /api/admin/images': ADMIN,
  'GET /api/admin/images/:id': ADMIN,
  'GET /api/admin/batches': ADMIN,
  'GET /api/admin/queue': ADMIN,
  'POST /api/admin/queue/pause': ADMIN,
  'POST /api/admin/queue/resume': ADMIN,
  'POST /api/admin/selection/count': ADMIN,
  'POST /api/admin/jobs': ADMIN.replaceAll('200', '201'),
  'GET /api/admin/jobs': ADMIN,
  // None is of this id.
  'GET /api/admin/jobs/:id': ADMIN.replaceAll('200', '404'),
  'POST /api/admin/jobs/:id/cancel': ADMIN.replaceAll('200', '404'),
  'GET /media/images/:file': MEDIA,
  'GET /media/thumbnails/:file': MEDIA,
  'GET /api/images/:id/original': READ_OF_MEMBER,
  'POST /api/upload': '401 200 200 200 200 403 403 403 401 401',
  'POST /api/async/upload': '401 202 202 202 202 403 403 403 401 401',
  'POST /api/async/batch/upload': '401 202 202 202 202 403 403 403 401 401',
  'GET /api/batches': READ,
  'POST /api/batches': '401 201 201 201 201 403 403 403 401 401',
  'GET /api/batches/:id': READ_OF_MEMBER,
  'POST /api/batches/:id/cancel': '401 200 404 200 200 403 403 403 401 401',
  'POST /api/batches/:id/retry': '401 202 404 202 202 403 403 403 401 401',
  'GET /api/list': READ,
  'GET /api/images': READ,
  'GET /api/images/count': READ,
  'GET /api/images/:id': READ_OF_MEMBER,
  'DELETE /api/images/:id': '401 204 404 204 403 403 204 403 401 401',
  // There, and not failed.
  'POST /api/images/:id/retry': '401 409 404 409 409 403 403 403 401 401',
  'POST /api/images/delete': '401 200 200 200 403 403 200 403 401 401',
  'POST /api/images/retry': '401 202 202 202 202 403 403 403 401 401',
  'GET /api/images/archive': READ_OF_MEMBER,
  'POST /api/images/archive': READ_OF_MEMBER,
  'GET /api/events': READ,
}

/** Where media are private. */
const PRIVATE_TABLE: Record<string, string> = {
  'GET /media/images/:file': '404 200 404 200 404 200 404 404 401 401',
  'GET /media/thumbnails/:file': '404 200 404 200 404 200 404 404 401 401',
}

interface Described {
  requestBody?: { content: Record<string, { example: object }> }
}

let callers: Callers
let bytes: Buffer
/** Of bodies, by route. */
let examples: Map<string, object>
before(async () => {
  callers = await startCallers()
  const { paths } = (await callers.server.inject('/api/openapi.json')).json<{ paths: Record<string, Record<string, Described>> }>()
  examples = new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { requestBody }]): [string, object][] => {
        const [content] = Object.values(requestBody?.content ?? {})
        return content ? [[`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`, content.example]] : []
      }),
    ),
  )
  bytes = await photograph({ seed: 5, megapixels: 0.02, format: 'jpeg' })
})
after(() => callers.end())

/** What a call needs to be answered with success, of the member where it names something. */
const REQUESTS: Record<string, () => Promise<InjectOptions> | InjectOptions> = {
  'GET /gallery/:id': () => ({ url: '/gallery/x' }),
  'GET /batches/:id': () => ({ url: '/batches/x' }),
  'GET /admin/images/:id': () => ({ url: '/admin/images/x' }),
  'GET /api/admin/images/:id': async () => ({ url: `/api/admin/images/${await callers.makeImage()}` }),
  'POST /api/admin/jobs': () => ({ payload: { action: 'retry', selection: { ids: [] }, confirmed: 0 } }),
  'GET /api/admin/jobs/:id': () => ({ url: `/api/admin/jobs/${crypto.randomUUID()}` }),
  'POST /api/admin/jobs/:id/cancel': () => ({ url: `/api/admin/jobs/${crypto.randomUUID()}/cancel` }),
  'GET /assets/*': () => ({ url: '/assets/a.js' }),
  'POST /api/auth/login': () => ({ payload: { email: 'member@example.org', password: PASSWORD } }),
  'POST /api/auth/password': () => ({ payload: { current: PASSWORD, password: PASSWORD } }),
  'DELETE /api/auth/sessions/:id': async () => ({ url: `/api/auth/sessions/${await callers.makeSession()}` }),
  'POST /api/keys': () => ({ payload: { name: 'one', scopes: ['read'] } }),
  'DELETE /api/keys/:id': async () => ({ url: `/api/keys/${await callers.makeKey()}` }),
  'DELETE /api/admin/keys/:id': async () => ({ url: `/api/admin/keys/${await callers.makeKey()}` }),
  'POST /api/admin/users': () => ({ payload: { email: `${crypto.randomUUID()}@example.org`, name: 'New', role: 'member' } }),
  'PATCH /api/admin/users/:id': () => ({ url: `/api/admin/users/${callers.ids.other}`, payload: { name: 'Other' } }),
  'POST /api/admin/users/:id/reset-password': () => ({
    url: `/api/admin/users/${callers.ids.other}/reset-password`,
    payload: { password: PASSWORD },
  }),
  'GET /media/images/:file': async () => ({ url: `/media/images/${await callers.makeImage()}-${RECIPE.id}.jpg` }),
  'GET /media/thumbnails/:file': async () => ({ url: `/media/thumbnails/${await callers.makeImage()}-${RECIPE.id}.webp` }),
  'GET /api/images/:id/original': async () => ({ url: `/api/images/${await callers.makeImage()}/original` }),
  'POST /api/upload': () => form('image', bytes),
  'POST /api/async/upload': () => form('images', bytes),
  'POST /api/async/batch/upload': () => form('images', bytes),
  'POST /api/batches': () => ({ payload: { files: [{ name: 'a.jpg', size: 10 }] } }),
  'GET /api/batches/:id': async () => ({ url: `/api/batches/${await callers.makeBatch()}` }),
  'POST /api/batches/:id/cancel': async () => ({ url: `/api/batches/${await callers.makeBatch()}/cancel` }),
  'POST /api/batches/:id/retry': async () => ({ url: `/api/batches/${await callers.makeBatch()}/retry` }),
  'GET /api/images/:id': async () => ({ url: `/api/images/${await callers.makeImage()}` }),
  'DELETE /api/images/:id': async () => ({ url: `/api/images/${await callers.makeImage()}` }),
  'POST /api/images/:id/retry': async () => ({ url: `/api/images/${await callers.makeImage()}/retry` }),
  'POST /api/images/delete': () => ({ payload: { ids: [] } }),
  'POST /api/images/retry': () => ({ payload: { ids: [] } }),
  'GET /api/images/archive': async () => ({ url: `/api/images/archive?id=${await callers.makeImage()}` }),
  'POST /api/images/archive': async () => ({
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: `id=${await callers.makeImage()}`,
  }),
}

/** Any other route with the body that its description shows. */
const requestOf = (key: string): Promise<InjectOptions> | InjectOptions => REQUESTS[key]?.() ?? { payload: examples.get(key)! }

async function statuses(key: string, server = callers.server, method = key.split(' ')[0]!): Promise<string> {
  const [, path] = key.split(' ')
  const found: number[] = []
  for (const caller of CALLERS) {
    const { payload, headers, ...request } = await requestOf(key)
    const answer = await server.inject({
      method: method as 'GET',
      url: path!,
      ...request,
      ...(payload !== undefined && { payload }),
      headers: { ...headers, ...(await callers.headersOf(caller)) },
    })
    found.push(answer.statusCode)
  }
  return found.join(' ')
}

test('every route has a row, and every row a route', () => {
  const routes = callers.routes.filter((route) => !/^(HEAD|OPTIONS) /.test(route))
  assert.deepEqual(
    routes.filter((route) => !(route in TABLE)),
    [],
    'routes without a row in TABLE',
  )
  assert.deepEqual(
    Object.keys(TABLE).filter((key) => !routes.includes(key)),
    [],
    'rows without a route',
  )
  for (const row of Object.values(TABLE)) assert.equal(row.split(' ').length, CALLERS.length)
})

for (const [key, row] of Object.entries(TABLE)) {
  test(key, async () => {
    assert.equal(await statuses(key), row, CALLERS.join(', '))
    const head = key.replace(/^GET /, 'HEAD ')
    if (head !== key && callers.routes.includes(head)) assert.equal(await statuses(key, callers.server, 'HEAD'), row, 'and HEAD')
  })
}

for (const [key, row] of Object.entries(PRIVATE_TABLE)) {
  test(`${key}, where media are private`, async () => {
    assert.equal(await statuses(key, callers.privateServer), row, CALLERS.join(', '))
  })
}
