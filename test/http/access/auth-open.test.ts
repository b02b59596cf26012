// A server that is open: everything as if there were no accounts, and nothing to sign in to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiMe } from '../../../src/api/accounts.ts'
import { login, send } from '../../support/clients/accounts.ts'
import { ask } from '../../support/clients/client.ts'
import { startServer } from '../../support/servers/server.ts'

test('who reaches an open server may do everything, and needs no account', async () => {
  await using server = await startServer()
  assert.doesNotMatch(server.output(), /set-up/)
  const { body: me } = await ask<ApiMe>(server, '/api/auth/me')
  assert.deepEqual(me, { auth: 'open', via: 'open', user: null, scopes: ['upload', 'read', 'delete', 'admin'] })
  for (const headers of [{}, { authorization: 'Bearer whatever' }, { cookie: 'calotype_session=whatever' }]) {
    assert.equal((await ask(server, '/api/list', { headers })).status, 200)
    assert.equal((await send(server, 'POST', '/api/images/delete', { ids: [] }, headers)).status, 200)
  }
  assert.equal((await ask(server, '/api/admin/audit')).status, 200)
  assert.deepEqual([(await login(server, 'root@example.org')).status, (await ask(server, '/api/keys')).status], [403, 403])
})
