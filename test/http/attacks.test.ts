// What attackers send, at every route: calls from pages of other sites, odd credentials, poisoned JSON, tricks with methods and paths.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import type { ApiImage } from '../../src/api/images.ts'
import { RECIPE } from '../../src/rendition/presets.ts'
import { form, startCallers, type Callers } from '../support/clients/callers.ts'

let callers: Callers
let port: number
before(async () => {
  callers = await startCallers()
  await callers.server.listen({ host: '127.0.0.1', port: 0 })
  port = (callers.server.server.address() as AddressInfo).port
})
after(() => callers.end())

/** As it is: no client between that would tidy the path up. */
async function raw(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const sending = request({ host: '127.0.0.1', port, method, path, headers, agent: false })
  sending.on('error', reject)
  sending.on('response', (response) => {
    readText(response).then((text) => resolve({ status: response.statusCode!, text }), reject)
  })
  sending.end(body)
  return promise
}

const unsafeRoutes = () =>
  callers.routes
    .map((route) => route.split(' ') as [string, string])
    .filter(([method, path]) => !['GET', 'HEAD', 'OPTIONS'].includes(method) && !path.includes('*'))
    .map(([method, path]) => [method, path.replace(':id', crypto.randomUUID())] as const)

const codeOf = (answer: { body: string }) => (JSON.parse(answer.body) as { code: string }).code

describe('pages of other sites', () => {
  test('change nothing by any route, whatever body a form can send', async () => {
    const routes = unsafeRoutes()
    assert.ok(routes.length > 20, `${routes.length} routes`)
    const bodies = [
      { headers: { 'content-type': 'text/plain' }, payload: '{"name":"x"}' },
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'id=1' },
      form('image', Buffer.from('GIF89a')),
    ]
    const pages: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost.evil.example' },
      { origin: 'http://evil.localhost' },
      { origin: 'http://localhost:8080' },
      { origin: 'http://localhost', 'sec-fetch-site': 'cross-site' },
      { origin: 'http://localhost', 'sec-fetch-site': 'same-site' },
      {},
    ]
    const { cookie } = (await callers.headersOf('admin')) as { cookie: string }
    for (const [method, url] of routes) {
      for (const page of pages) {
        for (const { headers, payload } of bodies) {
          const answer = await callers.server.inject({
            method: method as 'POST',
            url,
            headers: { ...headers, ...page, cookie },
            ...(payload !== undefined && { payload }),
          })
          assert.equal(answer.statusCode, 403, `${method} ${url} from ${JSON.stringify(page)}: ${answer.body}`)
          assert.equal(codeOf(answer), 'origin_not_allowed')
        }
      }
    }
    const me = await callers.server.inject({ url: '/api/auth/me', headers: { cookie } })
    assert.equal(me.json<{ via: string }>().via, 'session', 'not even signed out')
  })
})

describe('odd credentials', () => {
  test('in Authorization are nobody, or a key that is not known', async () => {
    const long = 'x'.repeat(10_000)
    for (const authorization of [
      'Bearer',
      'Bearer ',
      'Bearer a b',
      'Basic cm9vdDpyb290',
      'Bearer\ta',
      long,
      `Bearer ${long}`,
      'Bearer null',
      'bearer \u00ff',
    ]) {
      const { status, text } = await raw('GET', '/api/list', { authorization: Buffer.from(authorization).toString('latin1') })
      assert.equal(status, 401, authorization.slice(0, 40))
      assert.equal((JSON.parse(text) as { code: string }).code, 'unauthorized')
    }
  })

  test('in Cookie are nobody', async () => {
    const { cookie } = (await callers.headersOf('member')) as { cookie: string }
    const secret = cookie.split('=')[1]!
    for (const odd of [
      'calotype_session=',
      'calotype_session',
      '=',
      ';;;',
      'calotype_session=%00',
      'calotype_session=%zz',
      `calotype_session=${'x'.repeat(10_000)}`,
      `calotype_session=wrong; calotype_session=${secret}`,
      `CALOTYPE_SESSION=${secret}`,
      `__Host-calotype_session=${secret}`,
      `calotype_session="${secret}x"`,
      '__proto__=x; constructor=y',
      Array.from({ length: 1_000 }, (_, at) => `c${at}=1`).join('; '),
    ]) {
      const { status } = await raw('GET', '/api/list', { cookie: odd })
      assert.equal(status, 401, odd.slice(0, 60))
    }
    assert.equal((await raw('GET', '/api/list', { cookie })).status, 200)
  })

  test('beyond what a header may be are refused, and the server goes on', async () => {
    const { status } = await raw('GET', '/api/list', { authorization: `Bearer ${'x'.repeat(40_000)}` })
    assert.ok(status === 400 || status === 431, String(status))
    assert.equal((await raw('GET', '/healthz')).status, 200)
  })

  test('a key is not helped by a cookie, nor a cookie by a key that has ended', async () => {
    const session = await callers.headersOf('member')
    for (const ended of ['expired key', 'revoked key'] as const) {
      const { status } = await raw('GET', '/api/list', { ...session, ...(await callers.headersOf(ended)) })
      assert.equal(status, 401, ended)
    }
  })

  test('who comes from elsewhere can not say so by headers', async () => {
    const forged = {
      'x-forwarded-for': '127.0.0.1',
      'x-real-ip': '127.0.0.1',
      forwarded: 'for=127.0.0.1;proto=https',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-user': 'admin@example.org',
      'x-original-url': '/healthz',
      'x-rewrite-url': '/healthz',
    }
    assert.equal((await raw('GET', '/api/list', forged)).status, 401)
    const { cookie } = (await callers.headersOf('admin')) as { cookie: string }
    const { status } = await raw('POST', '/api/auth/logout', { ...forged, cookie, origin: 'https://evil.example' })
    assert.equal(status, 403, 'the host is the one that was asked')
  })
})

describe('poisoned JSON', () => {
  const POISON = [
    '{"__proto__":{"polluted":"yes","role":"admin"}}',
    '{"constructor":{"prototype":{"polluted":"yes"}}}',
    '{"name":"x","scopes":["read"],"__proto__":{"polluted":"yes"}}',
    '[{"__proto__":{"polluted":"yes"}}]',
    '"__proto__"',
    '{"ids":{"__proto__":{"length":1000000}}}',
    '{"ids":{"length":1e9}}',
    '{"files":{"length":1e9}}',
    `${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`,
    `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
    '{"a":1,"a":2}',
    '\ufeff{}',
    'null',
    '1e999',
  ]

  test('pollutes nothing and breaks nothing, at any route', async () => {
    for (const [method, url] of unsafeRoutes()) {
      // Who is asked for a body only after that has other tests.
      if (url === '/api/auth/logout') continue
      for (const payload of POISON) {
        const headers = { ...(await callers.headersOf('admin')), 'content-type': 'application/json' }
        const answer = await callers.server.inject({ method: method as 'POST', url, headers, payload })
        assert.ok(answer.statusCode < 500, `${method} ${url} with ${payload.slice(0, 60)}: ${answer.statusCode} ${answer.body}`)
        assert.equal(({} as { polluted?: string }).polluted, undefined)
      }
    }
    assert.equal(([] as { polluted?: string }).polluted, undefined)
  })

  test('makes nobody more than they are', async () => {
    const headers = { ...(await callers.headersOf('member')), 'content-type': 'application/json' }
    const key = (body: string) => callers.server.inject({ method: 'POST', url: '/api/keys', headers, payload: body })
    assert.equal((await key('{"name":"x","scopes":["admin"]}')).statusCode, 403)
    assert.equal((await key('{"name":"x","scopes":["read"],"__proto__":{"scopes":["admin"]}}')).statusCode, 400)
    const extra = await key(`{"name":"x","scopes":["read"],"userId":"${callers.ids.admin}","owner":{"id":"${callers.ids.admin}"}}`)
    assert.equal(extra.json<{ owner: { id: string } }>().owner.id, callers.ids.member)
    const me = await callers.server.inject({ url: '/api/auth/me', headers })
    assert.equal(me.json<{ user: { role: string } }>().user.role, 'member')
  })
})

describe('tricks with methods', () => {
  test('an override is no method', async () => {
    const id = await callers.makeImage()
    const headers = await callers.headersOf('member')
    for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override']) {
      await raw('GET', `/api/images/${id}`, { ...headers, [name]: 'DELETE' })
      const posted = await raw('POST', `/api/images/${id}?_method=DELETE`, { ...headers, [name]: 'DELETE' })
      assert.equal(posted.status, 405)
    }
    assert.equal((await raw('GET', `/api/images/${id}`, headers)).status, 200)
  })

  test('TRACE, CONNECT of a path and made-up methods answer nothing that was sent', async () => {
    for (const method of ['TRACE', 'PROPFIND', 'PURGE', 'SEARCH', 'LOCK']) {
      const { status, text } = await raw(method, '/api/list', { cookie: 'secret=in-a-cookie' })
      assert.ok(status === 404 || status === 405, `${method}: ${status}`)
      assert.doesNotMatch(text, /in-a-cookie/)
    }
    assert.equal((await raw('BREW', '/api/list').catch(() => ({ status: 400 }))).status, 400)
  })

  test('HEAD of what a caller may not read is refused as GET is', async () => {
    for (const route of callers.routes.filter((one) => one.startsWith('HEAD /api/') && !one.includes(':'))) {
      const url = route.slice('HEAD '.length)
      const [head, get] = [await raw('HEAD', url), await raw('GET', url)]
      assert.equal(head.status, get.status, url)
      assert.equal(head.text, '')
    }
  })
})

describe('tricks with paths', () => {
  const SECRETS = /SQLite format|"dependencies"|root:x:|calotype\.sqlite/

  test('lead out of no folder', async () => {
    const id = await callers.makeImage()
    const { headers } = { headers: await callers.headersOf('admin') }
    const ups = ['..', '%2e%2e', '%2E.', '..%2f..', '..%5c..', '..\\..', '....//', '%252e%252e', '..%00', '..;', '%c0%ae%c0%ae', '\u2025']
    const targets = ['calotype.sqlite', 'index.html', 'etc/passwd', '%2fetc%2fpasswd', 'package.json']
    for (const root of ['/assets', '/media/images', '/media/thumbnails', `/media/images/${id}-${RECIPE.id}.jpg`, '/api/images']) {
      for (const up of ups) {
        for (const target of targets) {
          for (const path of [`${root}/${up}/${target}`, `${root}/${up}/${up}/${up}/${target}`, `${root}/${up}%2f${target}`]) {
            const { status, text } = await raw('GET', Buffer.from(path).toString('latin1'), headers)
            assert.ok(status >= 400 && status < 500, `${path}: ${status}`)
            assert.doesNotMatch(text, SECRETS, path)
          }
        }
      }
    }
  })

  test('find media by exactly their name', async () => {
    const id = await callers.makeImage()
    const url = `/media/images/${id}-${RECIPE.id}.jpg`
    assert.equal((await raw('GET', url)).status, 200)
    for (const path of [
      `${url}%00`,
      `${url}%00.png`,
      `${url}/`,
      `${url}%2f`,
      `${url}%20`,
      `${url}.`,
      `${url};.css`,
      url.replace('.jpg', '.JPG'),
      url.replace('.jpg', '.png'),
      url.replace(id, id.toUpperCase()),
      url.replace('/images/', '/images//'),
      url.replace('/images/', '/images/./'),
      url.replace('/images/', '/thumbnails/../images/'),
      url.replace('/media/', '/media%2f'),
      url.replace(RECIPE.id, 'v1'),
    ]) {
      const { status } = await raw('GET', path)
      assert.ok(status === 404 || status === 400, `${path}: ${status}`)
    }
  })

  test('find no other way to a route that is guarded', async () => {
    for (const path of [
      '//api/list',
      '/api//list',
      '/API/LIST',
      '/api/list/',
      '/api/list;x',
      '/api/list%20',
      '/./api/list',
      '/assets/../api/list',
      '/healthz/../api/list',
      '/%61pi/list',
      '/api/%6cist',
      '/api%2flist',
      '/api/list%00',
      '/api/list?x=/healthz',
      '/api/list#/healthz',
      `http://127.0.0.1:${port}/api/list`,
    ]) {
      const { status, text } = await raw('GET', path)
      assert.ok([400, 401, 404].includes(status), `${path}: ${status}`)
      assert.equal(typeof (JSON.parse(text) as { code: string }).code, 'string', path)
    }
  })

  test('find nothing of others by ids that are none', async () => {
    const id = await callers.makeImage()
    const headers = await callers.headersOf('other')
    for (const odd of [
      id,
      id.toUpperCase(),
      `${id}%20`,
      `${id}%00`,
      `{${id}}`,
      `urn:uuid:${id}`,
      '%27%20or%201=1--',
      '*',
      '%25',
      '0',
      'null',
      '[object%20Object]',
      'constructor',
    ]) {
      for (const url of [`/api/images/${odd}`, `/api/images/${odd}/original`, `/api/batches/${odd}`]) {
        const { status } = await raw('GET', url, headers)
        assert.ok(status === 404 || status === 400, `${url}: ${status}`)
      }
    }
    const { text } = await raw('GET', `/api/images?batch=${crypto.randomUUID()}&q=%25&owner=${callers.ids.member}`, headers)
    assert.deepEqual(JSON.parse(text) as ApiImage[], [])
  })
})

describe('the export of the audit log', () => {
  test('has no cell that a spreadsheet runs, whoever it is about', async () => {
    const admin = await callers.headersOf('admin')
    const email = '+cmd@example.org'
    const made = await callers.server.inject({
      method: 'POST',
      url: '/api/admin/users',
      headers: admin,
      payload: { email, name: '=HYPERLINK("http://evil.example")', role: 'member', password: 'correct horse battery' },
    })
    assert.equal(made.statusCode, 201, made.body)
    const signedIn = await callers.server.inject({
      method: 'POST',
      url: '/api/auth/login',
      payload: { email, password: 'correct horse battery' },
    })
    assert.equal(signedIn.statusCode, 200, signedIn.body)
    const { body } = await callers.server.inject({ url: '/api/admin/audit.csv', headers: admin })
    assert.match(body, /"'\+cmd@example\.org"/)
    for (const cell of body.matchAll(/"((?:[^"]|"")*)"(?:,|\r\n)/g)) assert.doesNotMatch(cell[1]!, /^[=+\-@\t\r]/)
  })
})
