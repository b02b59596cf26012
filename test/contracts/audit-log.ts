// What every audit log guarantees; run on each database.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import type { Actor, AuditLog } from '../../src/accounts/audit/audit-log.ts'
import { createSqlAccountStore } from '../../src/accounts/sql-account-store.ts'
import { createSqlAuditLog } from '../../src/accounts/audit/sql-audit-log.ts'
import type { Database } from '../../src/db/schema.ts'
import type { OpenDatabase } from '../support/engines/databases.ts'

const NOBODY: Actor = { via: 'nobody', userId: null, credentialId: null, address: '192.0.2.7' }

export function auditLogContract(open: OpenDatabase): void {
  const it = (name: string, body: (audit: AuditLog, database: Database) => Promise<void>): void =>
    void test(name, async () => {
      const { database, close } = await open()
      try {
        await body(createSqlAuditLog(database), database)
      } finally {
        await close()
      }
    })
  const actions = async (audit: AuditLog, query: Partial<Parameters<AuditLog['list']>[0]> = {}) =>
    (await audit.list({ limit: 100, ...query })).items.map(({ action }) => action)

  it('an entry says who, what, when and from where, with the address of then', async (audit, database) => {
    const accounts = createSqlAccountStore(database)
    const user = await accounts.addUser({ id: uuidv7(), email: 'ada@example.org', name: 'Ada', role: 'admin', passwordHash: 'x' })
    const actor: Actor = { via: 'session', userId: user.id, credentialId: 'a session', address: '2001:db8::1' }
    await audit.record({ actor, action: 'image.deleted', target: { kind: 'image', id: 'one' }, detail: { name: 'a\0"\u2028.jpg' } })
    const [entry] = (await audit.list({ limit: 1 })).items
    const { id, at, ...rest } = entry!
    assert.match(id, /^[0-9a-f-]{36}$/)
    assert.ok(Math.abs(at - Date.now()) < 60_000)
    assert.deepEqual(rest, {
      ...actor,
      email: 'ada@example.org',
      action: 'image.deleted',
      target: { kind: 'image', id: 'one' },
      detail: { name: 'a\0"\u2028.jpg' },
    })
  })

  it('is searched by actor, action, text and time, and read by pages', async (audit, database) => {
    const accounts = createSqlAccountStore(database)
    const user = await accounts.addUser({ id: uuidv7(), email: 'ada@example.org', name: 'Ada', role: 'admin', passwordHash: 'x' })
    const ada: Actor = { ...NOBODY, via: 'session', userId: user.id }
    await audit.record({ actor: NOBODY, action: 'login.failed', detail: { email: 'Eve@example.org' } })
    await audit.record({ actor: ada, action: 'login' })
    await audit.record({ actor: ada, action: 'loginx', target: { kind: 'image', id: '100%' } })
    assert.deepEqual(await actions(audit), ['loginx', 'login', 'login.failed'])
    assert.deepEqual(await actions(audit, { action: 'login' }), ['login', 'login.failed'])
    assert.deepEqual(await actions(audit, { actor: 'ADA@' }), ['loginx', 'login'])
    assert.deepEqual(await actions(audit, { actor: user.id }), ['loginx', 'login'])
    assert.deepEqual(await actions(audit, { q: 'eve@' }), ['login.failed'])
    assert.deepEqual(await actions(audit, { q: '0%' }), ['loginx'])
    assert.deepEqual(await actions(audit, { from: Date.now() + 60_000 }), [])
    assert.deepEqual(await actions(audit, { to: Date.now() - 60_000 }), [])
    const first = await audit.list({ limit: 2 })
    assert.deepEqual(first.items.length, 2)
    const second = await audit.list({ limit: 2, cursor: first.next! })
    assert.deepEqual([second.items.length, second.next], [1, null])
  })

  it('the database refuses to change or forget an entry', async (audit, { write }) => {
    await audit.record({ actor: NOBODY, action: 'login.failed' })
    await assert.rejects(write.updateTable('audit_log').set({ action: 'nothing' }).execute(), /append-only/)
    await assert.rejects(write.deleteFrom('audit_log').execute(), /append-only/)
    assert.deepEqual(await actions(audit), ['login.failed'])
  })
}
