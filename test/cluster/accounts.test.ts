// Accounts of a cluster: what one API server is told, the others go by.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import WebSocket from 'ws'
import { letIn, login, makeKey, send, setUp, setupTokenOf, type SignedIn } from '../support/clients/accounts.ts'
import { ask } from '../support/clients/client.ts'
import { startCluster, type TestCluster } from '../support/servers/cluster.ts'

let cluster: TestCluster
let root: SignedIn
let servers: { url: string }[]
before(async () => {
  cluster = await startCluster({ workers: 1, env: { AUTH: 'required' } })
  servers = await Promise.all(['api-1', 'api-2'].map(async (name) => ({ url: (await cluster.member(name)).url! })))
  assert.ok(cluster.setupUrl?.startsWith(`${cluster.url}/setup#`), String(cluster.setupUrl))
  assert.ok(setupTokenOf(`set-up ${cluster.setupUrl}`))
  root = await setUp({ url: cluster.url, output: () => `set-up ${cluster.setupUrl}` })
})
after(() => cluster.stop())

test('a session is one of all servers, and its address that of who asks nginx', async () => {
  for (const { url } of [cluster, ...servers]) {
    assert.equal((await ask({ url }, '/api/list', { headers: { cookie: root.cookie } })).status, 200)
    assert.equal((await ask({ url }, '/api/list')).status, 401)
  }
  const forged = await login(cluster, root.email, undefined, { 'x-forwarded-for': '10.9.9.9', 'x-forwarded-proto': 'https' })
  assert.doesNotMatch(String(forged.headers['set-cookie']), /Secure/)
  const { text } = await ask(cluster, '/api/admin/audit', { headers: { cookie: root.cookie } })
  assert.ok(text.includes('"address":"127.0.0.1"') && !text.includes('10.9.9.9'))
})

test('guesses are counted by all servers together', async () => {
  const ada = await letIn(cluster, root, 'ada@example.org')
  const statuses = []
  for (let i = 0; i < 8; i += 1) statuses.push((await login(servers[i % 2]!, ada.email, `wrong ${i}`)).status)
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 429])
})

test('a socket at one server is closed when its session ends at the other', async () => {
  const ben = await letIn(cluster, root, 'ben@example.org')
  const key = await makeKey(cluster, ben, ['read'])
  const [here, there] = servers as [{ url: string }, { url: string }]
  async function listen(headers: Record<string, string>) {
    const socket = new WebSocket(`${here.url.replace('http', 'ws')}/ws/upload/`, { headers })
    const closed = once(socket, 'close', { signal: AbortSignal.timeout(60_000) })
    await once(socket, 'message', { signal: AbortSignal.timeout(30_000) })
    // In an object: a promise alone would be waited for.
    return { closed }
  }
  const bySession = await listen({ cookie: ben.cookie, origin: here.url })
  const byKey = await listen(key.headers)
  await send(there, 'DELETE', `/api/keys/${key.id}`, undefined, { cookie: ben.cookie, origin: there.url })
  assert.equal((await byKey.closed)[0], 4401)
  await send(there, 'POST', '/api/auth/logout', undefined, { cookie: ben.cookie, origin: there.url })
  assert.equal((await bySession.closed)[0], 4401)
})
