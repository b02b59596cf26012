// Signing in and out of a real server: sessions, what is kept of them, who is refused, and how often one may guess.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { ApiMe, ApiPasswordChanged, ApiPasswordReset, ApiSession } from '../../../src/api/accounts.ts'
import type { ApiError } from '../../../src/api/errors.ts'
import {
  cookieOf,
  letIn,
  login,
  makeKey,
  PASSWORD,
  send,
  setUp,
  setupTokenOf,
  signIn,
  type SignedIn,
} from '../../support/clients/accounts.ts'
import { ask } from '../../support/clients/client.ts'
import { change, query } from '../../support/servers/data-dir.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

let server: Server
let root: SignedIn
let firstToken: string

before(async () => {
  server = await startServer({ env: { AUTH: 'required', LOG_LEVEL: 'warn', SESSION_IDLE_HOURS: '2', SESSION_MAX_HOURS: '10' } })
  firstToken = setupTokenOf(server.output())!
  root = await setUp(server)
})
after(() => server.stop())
// Tests of other things guess wrongly, too.
beforeEach(() => change(server, 'delete from login_attempts'))

const whoAmI = async (headers: Record<string, string>) => (await ask<ApiMe>(server, '/api/auth/me', { headers })).body
const statusOf = async (path: string, headers: Record<string, string> = {}) => (await ask(server, path, { headers })).status

describe('who has not signed in', () => {
  test('sees the pages, whether the server lives, and nothing else', async () => {
    for (const path of ['/', '/gallery', '/admin', '/admin/images', '/account', '/login', '/setup', '/healthz', '/readyz'])
      assert.equal(await statusOf(path), 200, path)
    assert.equal(await statusOf('/assets/nothing.js'), 404)
    for (const path of ['/api/list', '/api/images', '/api/events', '/api/auth/sessions', '/api/keys', '/api/admin/users', '/ws/upload/']) {
      const { status, headers, body } = await ask<ApiError>(server, path)
      assert.deepEqual([status, body.code, headers['www-authenticate']], [401, 'unauthorized', 'Bearer realm="calotype"'], path)
    }
    const me = await whoAmI({})
    assert.deepEqual(me, { auth: 'required', via: 'nobody', user: null, scopes: [] })
  })

  test('is refused before the body of an upload is read', async () => {
    const form = new FormData()
    form.append('images', new Blob([Buffer.alloc(3_000_000)]), 'a.jpg')
    const { status, body } = await ask<ApiError>(server, '/api/async/upload', { method: 'POST', body: form })
    assert.deepEqual([status, body.code], [401, 'unauthorized'])
    assert.deepEqual(await query(server, 'select id from batches'), [])
  })
})

describe('the set-up link', () => {
  test('works once, and not for who guesses', async () => {
    const body = { email: 'eve@example.org', password: PASSWORD, name: 'Eve' }
    for (const token of [firstToken, 'guessed']) {
      const answer = await send(server, 'POST', '/api/auth/setup', { ...body, token })
      assert.deepEqual([answer.status, answer.body.code], [403, 'setup_link_invalid'])
    }
  })
})

describe('signing in', () => {
  test('gives a cookie that scripts and other sites do not have', async () => {
    const answer = await login(server, 'ROOT@example.org ')
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['cache-control'], 'no-store')
    const cookie = String(answer.headers['set-cookie'])
    assert.match(cookie, /^calotype_session=[\w-]{43}; Max-Age=36000; Path=\/; HttpOnly; SameSite=Lax$/)
    assert.deepEqual([answer.body.user?.email, answer.body.user?.role], ['root@example.org', 'admin'])
    assert.deepEqual(answer.body.scopes, ['upload', 'read', 'delete', 'admin'])
    assert.equal((await whoAmI({ cookie: cookieOf(answer) })).via, 'session')
    assert.doesNotMatch(answer.text, /hash|token/)
  })

  test('is not for a page of somebody else, who was here before', async () => {
    const ada = await letIn(server, root, 'later@example.org')
    const ofRoot = { ...ada.headers, 'calotype-user': root.id }
    const refused = async (method: string, path: string, body?: FormData) => {
      const answer = await ask<ApiError>(server, path, { method, headers: ofRoot, ...(body && { body }) })
      assert.deepEqual([answer.status, answer.body.code], [401, 'unauthorized'], path)
    }
    const form = new FormData()
    form.append('images', new Blob([Buffer.alloc(1_000)]), 'a.jpg')
    await refused('POST', '/api/async/batch/upload', form)
    for (const path of ['/api/images', '/api/auth/me']) await refused('GET', path)
    await refused('POST', '/api/auth/logout')
    assert.deepEqual(await query(server, 'select id from batches'), [])
    assert.equal(await statusOf('/api/images', { ...ada.headers, 'calotype-user': ada.id }), 200)
  })

  test('never takes over a cookie that was there, and ends the session it had', async () => {
    const planted = `calotype_session=${'A'.repeat(43)}`
    const first = cookieOf(await login(server, root.email, PASSWORD, { cookie: planted, origin: server.url }))
    assert.notEqual(first, planted)
    assert.equal((await whoAmI({ cookie: planted })).via, 'nobody')
    const second = cookieOf(await login(server, root.email, PASSWORD, { cookie: first, origin: server.url }))
    assert.notEqual(second, first)
    assert.equal((await whoAmI({ cookie: first })).via, 'nobody')
    assert.equal((await whoAmI({ cookie: second })).via, 'session')
  })

  test('nothing in the database lets anybody in: tokens, keys and passwords are kept hashed', async () => {
    const { cookie } = await signIn(server, root.email)
    const { key } = await makeKey(server, root, ['read'])
    const rows = JSON.stringify([
      await query(server, 'select * from users'),
      await query(server, 'select * from sessions'),
      await query(server, 'select * from api_keys'),
      await query(server, 'select * from setup_tokens'),
      await query(server, 'select * from audit_log'),
    ])
    for (const secret of [cookie.split('=')[1]!, key, key.slice(5), PASSWORD, firstToken]) assert.ok(!rows.includes(secret))
    assert.match(rows, /scrypt\$32768\$8\$3\$/)
  })

  test('a session ends idle, old, or signed out', async () => {
    const { cookie, headers } = await signIn(server, root.email)
    const [{ id }] = (await query<{ id: string }>(server, 'select id from sessions order by created_at desc limit 1')) as [{ id: string }]
    const set = (column: string, hoursAgo: number) =>
      change(server, `update sessions set ${column} = ${Date.now() - hoursAgo * 3_600_000} where id = '${id}'`)
    await set('last_seen_at', 2.1)
    assert.equal(await statusOf('/api/list', { cookie }), 401)
    await set('last_seen_at', 1.9)
    assert.equal(await statusOf('/api/list', { cookie }), 200)
    await set('created_at', 10.1)
    assert.equal(await statusOf('/api/list', { cookie }), 401)
    await set('created_at', 9.9)
    assert.equal(await statusOf('/api/list', { cookie }), 200)
    const out = await send(server, 'POST', '/api/auth/logout', undefined, headers)
    assert.equal(out.status, 204)
    assert.match(String(out.headers['set-cookie']), /^calotype_session=; Max-Age=0|^calotype_session=;.*Expires=Thu, 01 Jan 1970/)
    assert.equal(await statusOf('/api/list', { cookie }), 401)
    assert.equal((await send(server, 'POST', '/api/auth/logout', undefined, headers)).status, 204, 'twice does no harm')
  })

  test('one sees one’s own sessions and ends them, nobody else’s', async () => {
    const ada = await letIn(server, root, 'ada@example.org')
    const other = await signIn(server, ada.email)
    const { body: sessions } = await ask<ApiSession[]>(server, '/api/auth/sessions', { headers: ada.headers })
    assert.deepEqual(
      sessions.map(({ current, address }) => [current, address]),
      [
        [false, '127.0.0.1'],
        [true, '127.0.0.1'],
      ],
    )
    const path = `/api/auth/sessions/${sessions[0]!.id}`
    assert.equal((await send(server, 'DELETE', path, undefined, root.headers)).status, 404)
    assert.equal((await send(server, 'DELETE', path, undefined, ada.headers)).status, 204)
    assert.equal(await statusOf('/api/list', { cookie: other.cookie }), 401)
    assert.equal(await statusOf('/api/list', { cookie: ada.cookie }), 200)
  })

  test('a new password ends the other sessions, and needs the current one', async () => {
    const ben = await letIn(server, root, 'ben@example.org')
    const other = await signIn(server, ben.email)
    const to = (current: string, password: string) => send(server, 'POST', '/api/auth/password', { current, password }, ben.headers)
    assert.equal((await to('not it at all', 'another long one')).body.code, 'wrong_password')
    assert.equal((await to(PASSWORD, 'short')).body.code, 'bad_request')
    assert.equal((await to(PASSWORD, 'another long one')).status, 200)
    assert.equal(await statusOf('/api/list', { cookie: other.cookie }), 401)
    assert.equal(await statusOf('/api/list', { cookie: ben.cookie }), 200)
    assert.equal((await login(server, ben.email)).status, 401)
    assert.equal((await login(server, ben.email, 'another long one')).status, 200)
  })

  test('a new password leaves API keys as they are, says how many work, and revokes them if asked', async () => {
    const flo = await letIn(server, root, 'flo@example.org')
    const keys = [await makeKey(server, flo, ['read']), await makeKey(server, flo, ['upload', 'read'])]
    const statuses = () => Promise.all(keys.map(({ headers }) => statusOf('/api/list', headers)))
    const changeTo = (current: string, password: string, more: object = {}) =>
      send<ApiPasswordChanged>(server, 'POST', '/api/auth/password', { current, password, ...more }, flo.headers)
    assert.deepEqual((await changeTo(PASSWORD, 'another long one')).body, { active_keys: 2, revoked_keys: 0 })
    assert.deepEqual(await statuses(), [200, 200])
    assert.equal((await changeTo('another long one', PASSWORD, { revoke_keys: 'yes' })).body.code, 'bad_request')
    assert.deepEqual((await changeTo('another long one', PASSWORD, { revoke_keys: true })).body, { active_keys: 0, revoked_keys: 2 })
    assert.deepEqual(await statuses(), [401, 401])

    keys.push(await makeKey(server, flo, ['read']))
    const reset = async (body: object) => {
      const answer = await send<ApiPasswordReset>(server, 'POST', `/api/admin/users/${flo.id}/reset-password`, body, root.headers)
      return [answer.body.active_keys, answer.body.revoked_keys]
    }
    assert.deepEqual(await reset({}), [1, 0])
    assert.deepEqual(await statuses(), [401, 401, 200])
    assert.deepEqual(await reset({ revoke_keys: true }), [0, 1])
    assert.deepEqual(await statuses(), [401, 401, 401])
    const revoked = await query<{ target_id: string }>(
      server,
      `select target_id from audit_log where action = 'key.revoked' and detail like '%flo@example.org%'`,
    )
    assert.deepEqual(new Set(revoked.map((row) => row.target_id)), new Set(keys.map(({ id }) => id)))
  })

  test('bad input is a clear answer', async () => {
    for (const body of [
      {},
      { email: 'root', password: 'x' },
      { email: root.email },
      { email: root.email, password: 'x'.repeat(201) },
      [],
    ]) {
      const answer = await send(server, 'POST', '/api/auth/login', body)
      assert.deepEqual([answer.status, answer.body.code], [400, 'bad_request'])
    }
    const text = await ask<ApiError>(server, '/api/auth/login', { method: 'POST', body: 'email=root' })
    assert.deepEqual([text.status, text.body.code], [415, 'not_json'])
    const large = await send(server, 'POST', '/api/auth/login', { email: root.email, password: 'x'.repeat(20_000) })
    assert.equal(large.status, 413)
  })
})

describe('guessing', () => {
  test('an account: five wrong ones, then not even the right one, with the time to wait; others are not kept out', async () => {
    const cyd = await letIn(server, root, 'cyd@example.org')
    for (let i = 0; i < 5; i += 1) {
      const { status, body } = await login(server, cyd.email, `wrong ${i}`)
      assert.deepEqual([status, body.code], [401, 'wrong_password'])
    }
    for (const password of ['wrong again', PASSWORD]) {
      const { status, body, headers } = await login(server, cyd.email, password)
      assert.deepEqual([status, body.code], [429, 'too_many_attempts'])
      const waitS = Number(headers['retry-after'])
      assert.ok(waitS > 600 && waitS <= 900, `${waitS} s`)
    }
    assert.equal((await login(server, root.email)).status, 200)
  })

  test('an address: twenty wrong ones, whatever it claims to be', async () => {
    for (let i = 0; i < 20; i += 1) {
      assert.equal((await login(server, `guess${i}@example.org`, 'x', { 'x-forwarded-for': `10.0.0.${i}` })).status, 401)
    }
    const refused = await login(server, root.email, PASSWORD, { 'x-forwarded-for': '10.1.1.1' })
    assert.deepEqual([refused.status, refused.body.code], [429, 'too_many_attempts'])
  })

  test('many at once are no more than five', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => login(server, root.email, `wrong ${i}`)))
    const looked = all.filter(({ status }) => status === 401)
    assert.ok(looked.length <= 5, `${looked.length} were looked at`)
    assert.equal(looked.length + all.filter(({ status }) => status === 429).length, 12)
  })

  test('who claims to come by TLS through a proxy that nobody trusts is not believed', async () => {
    const answer = await login(server, root.email, PASSWORD, { 'x-forwarded-proto': 'https', 'x-forwarded-for': '10.0.0.1' })
    assert.doesNotMatch(String(answer.headers['set-cookie']), /Secure|__Host/)
    assert.equal(answer.headers['strict-transport-security'], undefined)
    const [last] = await query<{ address: string }>(server, 'select address from audit_log order by at desc, id desc limit 1')
    assert.equal(last?.address, '127.0.0.1')
  })
})
