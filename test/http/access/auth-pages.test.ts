// Pages of other sites: what they can't make a browser with our cookie do, by calls and by WebSockets, and when a socket is closed.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import WebSocket from 'ws'
import { letIn, login, makeKey, PASSWORD, send, setUp, signIn, type SignedIn } from '../../support/clients/accounts.ts'
import { ask, END_OF_PARTS, part, post } from '../../support/clients/client.ts'
import { change, query } from '../../support/servers/data-dir.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

const LISTED = 'https://gallery.example'

let server: Server
let root: SignedIn
before(async () => {
  server = await startServer({ env: { AUTH: 'required', LOG_LEVEL: 'warn', CORS_ORIGINS: LISTED } })
  root = await setUp(server)
})
after(() => server.stop())

/** Of pages that are not ours. */
function foreignOrigins(): string[] {
  const { host, port } = new URL(server.url)
  return [
    'null',
    'https://evil.example',
    `http://${host}.evil.example`,
    `http://evil.${host}`,
    `http://evil${host}`,
    `http://127.0.0.1:${Number(port) + 1}`,
    `http://localhost:${port}`,
    `${server.url}/`,
    'file://',
    // May use the API with a key, never with a cookie.
    LISTED,
  ]
}

describe('calls', () => {
  const UNSAFE: [method: string, path: string][] = [
    ['POST', '/api/images/delete'],
    ['POST', '/api/images/retry'],
    ['POST', '/api/batches'],
    ['DELETE', '/api/images/019ab1c2-0000-7000-8000-000000000000'],
    ['POST', '/api/keys'],
    ['POST', '/api/auth/logout'],
    ['POST', '/api/auth/login'],
    ['POST', '/api/auth/password'],
    ['POST', '/api/admin/users'],
    ['PATCH', '/api/admin/users/019ab1c2-0000-7000-8000-000000000000'],
  ]

  test('with a cookie are refused from every origin but ours, on each route', async () => {
    for (const [method, path] of UNSAFE) {
      for (const origin of foreignOrigins()) {
        const { status, body } = await send(server, method, path, {}, { cookie: root.cookie, origin })
        assert.deepEqual([status, body.code], [403, 'origin_not_allowed'], `${method} ${path} from ${origin}`)
      }
      const none = await send(server, method, path, {}, { cookie: root.cookie })
      assert.equal(none.body.code, 'origin_not_allowed', `${method} ${path} without an Origin`)
      for (const site of ['cross-site', 'same-site']) {
        const { body } = await send(server, method, path, {}, { ...root.headers, 'sec-fetch-site': site })
        assert.equal(body.code, 'origin_not_allowed', `${method} ${path} ${site}`)
      }
    }
    const own = { ...root.headers, 'sec-fetch-site': 'same-origin' }
    assert.equal((await send(server, 'POST', '/api/images/delete', { ids: [] }, own)).status, 200)
    assert.equal((await ask(server, '/api/list', { headers: { cookie: root.cookie } })).status, 200)
  })

  test('uploads, too, before their body is read', async () => {
    const body = Buffer.concat([part('images', 'a.jpg', Buffer.alloc(2_000_000)), END_OF_PARTS])
    for (const path of ['/api/upload', '/api/async/upload', '/api/async/batch/upload']) {
      for (const origin of [...foreignOrigins(), undefined]) {
        const headers = { cookie: root.cookie, ...(origin !== undefined && { origin }) }
        const { status, body: answer } = await post(server, { path, headers, body })
        assert.deepEqual([status, answer.code], [403, 'origin_not_allowed'], `${path} from ${origin}`)
      }
    }
    assert.deepEqual(await query(server, 'select id from batches'), [])
  })

  test('of a listed origin go with a key; nobody is ever told that a cookie may', async () => {
    const { headers } = await makeKey(server, root, ['read'])
    const answer = await ask(server, '/api/list', { headers: { ...headers, origin: LISTED } })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['access-control-allow-origin'], LISTED)
    assert.equal(answer.headers['access-control-allow-credentials'], undefined)
    const refused = await ask(server, '/api/list', { headers: { origin: LISTED } })
    assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [401, LISTED])
  })

  test('a page elsewhere can not sign anybody in', async () => {
    for (const origin of foreignOrigins()) {
      const { status, body, headers } = await login(server, root.email, PASSWORD, { origin })
      assert.deepEqual([status, body.code, headers['set-cookie']], [403, 'origin_not_allowed', undefined], origin)
    }
    const { body } = await login(server, root.email, PASSWORD, { 'sec-fetch-site': 'cross-site' })
    assert.equal(body.code, 'origin_not_allowed')
  })
})

describe('WebSockets', () => {
  const connect = (headers: Record<string, string>) => new WebSocket(`${server.url.replace('http', 'ws')}/ws/upload/`, { headers })

  async function statusOf(headers: Record<string, string>): Promise<number> {
    const socket = connect(headers)
    socket.on('error', () => {})
    const refused = once(socket, 'unexpected-response').then(([, response]) => (response as { statusCode: number }).statusCode)
    const opened = once(socket, 'open').then(() => 101)
    const status = await Promise.race([refused, opened])
    socket.terminate()
    return status
  }

  /** Resolves once it is greeted; `closed` with its code once it is closed. */
  const listen = async (headers: Record<string, string>) => {
    const socket = connect(headers)
    const closed = once(socket, 'close', { signal: AbortSignal.timeout(30_000) }).then(([code]) => code as number)
    await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })
    return { closed }
  }

  test('with a cookie open for our page and no other', async () => {
    for (const origin of foreignOrigins()) assert.equal(await statusOf({ cookie: root.cookie, origin }), 403, origin)
    assert.equal(await statusOf({ cookie: root.cookie }), 403, 'without an Origin')
    assert.equal(await statusOf(root.headers), 101)
  })

  test('without a cookie need a key that may read', async () => {
    assert.equal(await statusOf({}), 401)
    assert.equal(await statusOf({ authorization: 'Bearer calo_guessed' }), 401)
    assert.equal(await statusOf((await makeKey(server, root, ['upload'])).headers), 403)
    assert.equal(await statusOf((await makeKey(server, root, ['read'])).headers), 101)
  })

  test('close when their session is signed out, at once; others stay', async () => {
    const ada = await letIn(server, root, 'ada@example.org')
    const other = await signIn(server, ada.email)
    const [mine, others] = [await listen(ada.headers), await listen(other.headers)]
    await send(server, 'POST', '/api/auth/logout', undefined, ada.headers)
    assert.equal(await mine.closed, 4401)
    const key = await makeKey(server, other, ['read'])
    const byKey = await listen(key.headers)
    await send(server, 'DELETE', `/api/keys/${key.id}`, undefined, other.headers)
    assert.equal(await byKey.closed, 4401)
    await send(server, 'PATCH', `/api/admin/users/${ada.id}`, { disabled: true }, root.headers)
    assert.equal(await others.closed, 4401)
  })

  test('close when their session has ended elsewhere, or by its age, within seconds', async () => {
    const ben = await letIn(server, root, 'ben@example.org')
    const { closed } = await listen(ben.headers)
    await change(server, `update sessions set expires_at = 1 where user_id = '${ben.id}'`)
    assert.equal(await closed, 4401)
  })
})
