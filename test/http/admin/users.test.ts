// What administrators do over HTTP: users, keys of others, the audit log; and what members and keys of each scope may not.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { ApiUser, ApiUserWithPassword } from '../../../src/api/accounts.ts'
import type { ApiAuditEntry } from '../../../src/api/audit.ts'
import type { ApiKey } from '../../../src/api/keys.ts'
import { csvLine } from '../../../src/http/wire/csv.ts'
import { letIn, login, makeKey, PASSWORD, send, setUp, signIn, type SignedIn } from '../../support/clients/accounts.ts'
import { ask } from '../../support/clients/client.ts'
import { change } from '../../support/servers/data-dir.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

let server: Server
let root: SignedIn
let ada: SignedIn
before(async () => {
  server = await startServer({ env: { AUTH: 'required', LOG_LEVEL: 'warn' } })
  root = await setUp(server)
  ada = await letIn(server, root, 'ada@example.org')
})
after(() => server.stop())

const get = <T>(path: string, headers: Record<string, string> = root.headers) => ask<T>(server, path, { headers })
const patch = (id: string, body: object, headers = root.headers) => send<ApiUser>(server, 'PATCH', `/api/admin/users/${id}`, body, headers)

describe('users', () => {
  test('are made, by an address once, with a password that is given or shown once', async () => {
    const make = (body: object) => send<ApiUserWithPassword>(server, 'POST', '/api/admin/users', body, root.headers)
    const { status, body } = await make({ email: 'Cyd@Example.org', name: 'Cyd', role: 'member' })
    assert.equal(status, 201)
    assert.deepEqual([body.user.email, body.user.role, body.user.disabled_at], ['cyd@example.org', 'member', null])
    await signIn(server, 'cyd@example.org', body.password!)
    const again = await make({ email: 'cyd@example.org', name: 'Cyd', role: 'admin' })
    assert.deepEqual([again.status, again.body.code], [409, 'email_taken'])
    const good = { email: 'dan@example.org', name: 'Dan', role: 'member' }
    for (const bad of [
      { email: 'dan' },
      { name: '' },
      { name: 'a\nb' },
      { role: 'root' },
      { password: 'short' },
      { email: 'a\0@example.org' },
    ]) {
      const refused = await make({ ...good, ...bad })
      assert.deepEqual([refused.status, refused.body.code], [400, 'bad_request'], JSON.stringify(bad))
    }
  })

  test('are listed by pages and found', async () => {
    const first = await get<ApiUser[]>('/api/admin/users?limit=1')
    assert.equal(first.body.length, 1)
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.link as string)![1]!
    const second = await get<ApiUser[]>(next)
    assert.notEqual(second.body[0]!.id, first.body[0]!.id)
    const found = await get<ApiUser[]>('/api/admin/users?q=ROOT@')
    assert.deepEqual([found.body.map(({ email }) => email), found.headers.link], [['root@example.org'], undefined])
    assert.doesNotMatch(found.text, /hash|scrypt/)
    assert.equal((await get('/api/admin/users?cursor=none')).status, 400)
  })

  test('the last administrator can neither go nor step down', async () => {
    for (const body of [{ role: 'member' }, { disabled: true }]) {
      const { status, body: problem } = await patch(root.id, body)
      assert.deepEqual([status, problem.code], [409, 'last_admin'])
    }
    const eve = await letIn(server, root, 'eve@example.org', 'admin')
    assert.equal((await patch(eve.id, { role: 'member' })).status, 200)
    assert.equal((await get('/api/admin/users', eve.headers)).status, 403, 'from the next request on')
    assert.equal((await patch('019ab1c2-0000-7000-8000-000000000000', { name: 'Nobody' })).status, 404)
    assert.equal((await patch(eve.id, { email: 'x@example.org' })).status, 400)
  })

  test('who is disabled is out at once, with sessions and keys, and told no more than others', async () => {
    const fay = await letIn(server, root, 'fay@example.org')
    const key = await makeKey(server, fay, ['read'])
    assert.equal((await get('/api/list', key.headers)).status, 200)
    const { body } = await patch(fay.id, { disabled: true })
    assert.ok(body.disabled_at)
    assert.equal((await get('/api/list', fay.headers)).status, 401)
    assert.equal((await get('/api/list', key.headers)).status, 401)
    assert.equal((await login(server, fay.email)).body.code, 'wrong_password')
    await patch(fay.id, { disabled: false })
    assert.equal((await login(server, fay.email)).status, 200)
  })

  test('a password is reset to one that is shown once or given; everything that was open ends', async () => {
    const gus = await letIn(server, root, 'gus@example.org')
    const path = `/api/admin/users/${gus.id}/reset-password`
    const made = await send<ApiUserWithPassword>(server, 'POST', path, undefined, root.headers)
    assert.equal(made.status, 200, made.text)
    assert.equal((await get('/api/list', gus.headers)).status, 401)
    assert.equal((await login(server, gus.email)).status, 401)
    await signIn(server, gus.email, made.body.password!)
    const given = await send<ApiUserWithPassword>(server, 'POST', path, { password: PASSWORD }, root.headers)
    assert.equal(given.body.password, null)
    await signIn(server, gus.email)
  })
})

describe('keys', () => {
  const ROUTES = {
    upload: ['POST', '/api/upload'],
    read: ['GET', '/api/list'],
    admin: ['GET', '/api/admin/users'],
  } as const

  test('may what their scope says; what they lack is forbidden', async () => {
    for (const scope of ['upload', 'read', 'delete', 'admin'] as const) {
      const { headers } = await makeKey(server, root, [scope])
      for (const [needed, [method, path]] of Object.entries(ROUTES)) {
        const { status, body } = await send(server, method, path, undefined, headers)
        if (needed === scope) assert.ok(status !== 401 && status !== 403, `${scope} at ${path}: ${status}`)
        else assert.deepEqual([status, body.code], [403, 'forbidden'], `${scope} at ${path}`)
      }
      for (const path of ['/api/keys', '/api/auth/sessions']) assert.equal((await get(path, headers)).status, 403, 'no key makes keys')
    }
  })

  test('have no more scopes than who makes them', async () => {
    const refused = await send(server, 'POST', '/api/keys', { name: 'more', scopes: ['read', 'admin'] }, ada.headers)
    assert.deepEqual([refused.status, refused.body.code], [403, 'forbidden'])
    for (const bad of [{ scopes: [] }, { scopes: ['all'] }, { expires_at: '2001-01-01T00:00:00Z' }, { expires_at: 'soon' }, { name: '' }]) {
      const { status } = await send(server, 'POST', '/api/keys', { name: 'bad', scopes: ['read'], ...bad }, ada.headers)
      assert.equal(status, 400, JSON.stringify(bad))
    }
  })

  test('end when they expire or are revoked; nobody is shown one again', async () => {
    const key = await makeKey(server, ada, ['read'], new Date(Date.now() + 3_600_000))
    assert.equal((await get('/api/list', key.headers)).status, 200)
    await change(server, `update api_keys set expires_at = 1 where id = '${key.id}'`)
    const expired = await get<{ code: string }>('/api/list', key.headers)
    assert.deepEqual([expired.status, expired.body.code], [401, 'unauthorized'])

    const other = await makeKey(server, ada, ['read'])
    const ben = await letIn(server, root, 'ben@example.org')
    assert.equal((await send(server, 'DELETE', `/api/keys/${other.id}`, undefined, ben.headers)).status, 404)
    assert.equal((await send(server, 'DELETE', `/api/keys/${other.id}`, undefined, ada.headers)).status, 204)
    assert.equal((await get('/api/list', other.headers)).status, 401)
    const { body: keys, text } = await get<ApiKey[]>('/api/keys', ada.headers)
    assert.ok(keys.every(({ owner }) => owner.email === ada.email))
    assert.ok(keys.find(({ id }) => id === other.id)!.revoked_at)
    assert.ok(!text.includes(other.key) && other.key.startsWith(keys.find(({ id }) => id === other.id)!.prefix))
  })

  test('of others are for administrators', async () => {
    const key = await makeKey(server, ada, ['read'])
    assert.equal((await get('/api/admin/keys', ada.headers)).status, 403)
    const { body } = await get<ApiKey[]>('/api/admin/keys?q=ada@')
    assert.ok(body.some(({ id }) => id === key.id))
    assert.equal((await send(server, 'DELETE', `/api/admin/keys/${key.id}`, undefined, root.headers)).status, 204)
    assert.equal((await get('/api/list', key.headers)).status, 401)
  })
})

describe('the audit log', () => {
  test('says who did what, and is for administrators', async () => {
    await login(server, 'stranger@example.org', 'nothing that is right')
    assert.equal((await get('/api/admin/audit', ada.headers)).status, 403)
    const { body } = await get<ApiAuditEntry[]>('/api/admin/audit?limit=500')
    const actions = new Set(body.map(({ action }) => action))
    for (const action of ['login', 'login.failed', 'user.created', 'user.changed', 'user.password_reset', 'key.created', 'key.revoked']) {
      assert.ok(actions.has(action), action)
    }
    const failed = body.find(({ action }) => action === 'login.failed')!
    assert.deepEqual(
      [failed.user, failed.via, failed.address, failed.detail],
      [null, 'nobody', '127.0.0.1', { email: 'stranger@example.org' }],
    )
    const made = body.find(({ action, detail }) => action === 'user.created' && detail.email === ada.email)!
    assert.deepEqual([made.user, made.via, made.target], [{ id: root.id, email: root.email }, 'session', { kind: 'user', id: ada.id }])

    const find = async (query: string) => (await get<ApiAuditEntry[]>(`/api/admin/audit?${query}`)).body.map(({ action }) => action)
    assert.deepEqual(await find('q=STRANGER'), ['login.failed'])
    assert.ok((await find('action=login')).every((action) => action.startsWith('login')))
    assert.deepEqual(await find('from=2100-01-01T00:00:00Z'), [])
    assert.deepEqual(await find('actor=nobody-like-this'), [])
    const page = await get<ApiAuditEntry[]>('/api/admin/audit?limit=2')
    assert.match(page.headers.link as string, /rel="next"/)
    for (const bad of ['limit=0', 'from=yesterday', 'cursor=x']) assert.equal((await get(`/api/admin/audit?${bad}`)).status, 400, bad)
  })

  test('is exported without a formula in it', async () => {
    await send(server, 'POST', '/api/keys', { name: '=cmd|" /C calc"!A0', scopes: ['read'] }, root.headers)
    await login(server, '+cmd@example.org', 'nothing that is right')
    const { status, text, headers } = await get('/api/admin/audit.csv?action=login.failed')
    assert.equal(status, 200)
    assert.match(headers['content-type'] as string, /^text\/csv/)
    assert.match(headers['content-disposition'] as string, /^attachment; filename="audit.csv"$/)
    const lines = text.split('\r\n')
    assert.equal(lines[0], '"at","user","user_id","via","credential","action","target_kind","target_id","address","detail"')
    assert.equal(lines.at(-1), '')
    assert.ok(lines.slice(1, -1).every((line) => line.includes('"login.failed"')))
    assert.ok(lines.some((line) => line.includes('"{""email"":""+cmd@example.org""}"')))
    assert.equal((await get('/api/admin/audit.csv', ada.headers)).status, 403)
  })

  test('cells that a spreadsheet would run are text', () => {
    for (const start of ['=', '+', '-', '@', '\t', '\r']) assert.equal(csvLine([`${start}1`, 'a"b,\n']), `"'${start}1","a""b,\n"\r\n`)
    assert.equal(csvLine(['1=', '']), '"1=",""\r\n')
  })
})
