// What every account store guarantees; run on each database.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import type { AccountStore } from '../../src/accounts/account-store.ts'
import type { AttemptLimit } from '../../src/accounts/limits/attempt-store.ts'
import type { SessionLimits } from '../../src/accounts/sessions/session-store.ts'
import type { NewUser } from '../../src/accounts/users/user-store.ts'
import { createSqlAccountStore } from '../../src/accounts/sql-account-store.ts'
import { hashToken, newToken } from '../../src/accounts/tokens.ts'
import type { Database } from '../../src/db/schema.ts'
import type { OpenDatabase } from '../support/engines/databases.ts'

const HOUR_MS = 60 * 60_000
const LIMITS: SessionLimits = { idleMs: HOUR_MS, maxMs: 24 * HOUR_MS }
const WINDOW_MS = 15 * 60_000
const RETENTION = [
  { kind: 'account', windowMs: WINDOW_MS },
  { kind: 'address', windowMs: WINDOW_MS },
]

const person = (name: string, role: 'admin' | 'member' = 'member'): NewUser => ({
  id: uuidv7(),
  email: `${name}@example.org`,
  name,
  role,
  passwordHash: `hash of ${name}`,
})

async function signIn(store: AccountStore, userId: string) {
  const tokenHash = hashToken(newToken())
  const id = uuidv7()
  await store.addSession({ id, userId, tokenHash, address: '192.0.2.1', userAgent: 'test' }, LIMITS)
  return { id, tokenHash }
}

async function makeKey(store: AccountStore, userId: string, more: { scopes?: 'admin' | 'read'; expiresAt?: number | null } = {}) {
  const tokenHash = hashToken(newToken())
  const { scopes = 'read', expiresAt = null } = more
  const key = await store.addKey({
    id: uuidv7(),
    prefix: 'calo_abc',
    name: 'a key',
    userId,
    scopes: ['read', scopes],
    expiresAt,
    tokenHash,
  })
  return { key, tokenHash }
}

export function accountStoreContract(open: OpenDatabase): void {
  const it = (name: string, body: (store: AccountStore, database: Database) => Promise<void>): void =>
    void test(name, async () => {
      const { database, close } = await open()
      try {
        await body(createSqlAccountStore(database), database)
      } finally {
        await close()
      }
    })

  it('an e-mail address has one account, however it is written', async (store) => {
    assert.equal(await store.hasUsers(), false)
    const { passwordHash, ...ada } = person('ada')
    const made = await store.addUser({ ...ada, passwordHash, email: 'Ada@Example.org' })
    assert.deepEqual(
      { ...made, createdAt: 0 },
      {
        ...ada,
        createdAt: 0,
        disabledAt: null,
        quota: { bytes: null, images: null },
        usedToday: { bytes: 0, images: 0 },
      },
    )
    assert.ok(Math.abs(made.createdAt - Date.now()) < 60_000)
    await assert.rejects(store.addUser({ ...person('ada'), email: 'ADA@example.ORG' }), { code: 'email_taken' })
    assert.deepEqual(await store.findUser('ada@example.org'), { user: made, passwordHash })
    assert.deepEqual(await store.getUser(made.id), made)
    assert.equal(await store.findUser('nobody@example.org'), null)
    assert.equal(await store.hasUsers(), true)
  })

  it('users come by pages, the newest first, and are found by address and name', async (store) => {
    for (const name of ['ada', 'ben', 'cyd', 'dan', 'e_e']) await store.addUser(person(name))
    const seen: string[] = []
    let cursor: string | null | undefined
    while (cursor !== null) {
      const page = await store.listUsers({ limit: 2, ...(cursor && { cursor }) })
      seen.push(...page.items.map(({ name }) => name))
      cursor = page.next
    }
    assert.deepEqual(seen, ['e_e', 'dan', 'cyd', 'ben', 'ada'])
    const found = async (q: string) => (await store.listUsers({ limit: 10, q })).items.map(({ name }) => name)
    assert.deepEqual(await found('DAN@'), ['dan'])
    assert.deepEqual(await found('_'), ['e_e'])
    assert.deepEqual(await found('%'), [])
    await assert.rejects(store.listUsers({ limit: 2, cursor: 'none of ours' }), { code: 'bad_request' })
  })

  it('the last administrator stays one, also when two are demoted at the same moment', async (store) => {
    const [ada, ben] = [await store.addUser(person('ada', 'admin')), await store.addUser(person('ben', 'admin'))]
    const both = await Promise.allSettled([ada, ben].map(({ id }) => store.changeUser(id, { role: 'member' })))
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    const left = (await store.listUsers({ limit: 10 })).items.find(({ role }) => role === 'admin')!
    await assert.rejects(store.changeUser(left.id, { disabled: true }), { code: 'last_admin' })
    await assert.rejects(store.changeUser(left.id, { role: 'member' }), { code: 'last_admin' })
    assert.equal((await store.changeUser(left.id, { name: 'Still here' }))!.user.name, 'Still here')
    assert.equal(await store.changeUser(randomUUID(), { name: 'Nobody' }), null)
  })

  it('a set-up link makes one administrator, once, and all others end with it', async (store, { write }) => {
    const [first, second, old] = [newToken(), newToken(), newToken()].map(hashToken) as [string, string, string]
    await store.addSetupToken(first, HOUR_MS)
    await store.addSetupToken(second, HOUR_MS)
    await store.addSetupToken(old, -1)
    await assert.rejects(store.addFirstUser(person('eve', 'admin'), hashToken('guessed')), { code: 'setup_link_invalid' })
    await assert.rejects(store.addFirstUser(person('eve', 'admin'), old), { code: 'setup_link_invalid' })
    const race = await Promise.allSettled([
      store.addFirstUser(person('ada', 'admin'), first),
      store.addFirstUser(person('ben', 'admin'), second),
    ])
    assert.deepEqual(race.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    for (const link of [first, second]) {
      await assert.rejects(store.addFirstUser(person('eve', 'admin'), link), { code: 'setup_link_invalid' })
    }
    assert.equal((await store.listUsers({ limit: 10 })).items.length, 1)
    assert.deepEqual(await write.selectFrom('setup_tokens').select('token_hash').where('expires_at', '>', Date.now()).execute(), [])
  })

  it('a session lives until it is idle, old, or ended; using it puts off only the idle end', async (store, { write }) => {
    const ada = await store.addUser(person('ada', 'admin'))
    const { id, tokenHash } = await signIn(store, ada.id)
    const principal = (await store.whoseSession(tokenHash, LIMITS))!
    assert.deepEqual(principal, {
      via: 'session',
      userId: ada.id,
      role: 'admin',
      scopes: new Set(['upload', 'read', 'delete', 'admin']),
      credentialId: id,
    })
    assert.equal(await store.whoseSession(hashToken('guessed'), LIMITS), null)

    const seenAt = async () => (await store.listSessions(ada.id, LIMITS))[0]?.lastSeenAt
    const before = Date.now() - HOUR_MS / 2
    await write.updateTable('sessions').set({ last_seen_at: before }).execute()
    assert.equal(await seenAt(), before)
    await store.whoseSession(tokenHash, LIMITS)
    const seen = (await seenAt())!
    assert.ok(seen > before)
    await store.whoseSession(tokenHash, LIMITS)
    assert.equal(await seenAt(), seen, 'written once a minute at most')

    await write
      .updateTable('sessions')
      .set({ last_seen_at: Date.now() - HOUR_MS - 1000 })
      .execute()
    assert.equal(await store.whoseSession(tokenHash, LIMITS), null)
    assert.deepEqual(await store.listSessions(ada.id, LIMITS), [])
    assert.equal((await store.whose([id], LIMITS)).size, 0)
    await write.updateTable('sessions').set({ last_seen_at: Date.now() }).execute()
    assert.ok(await store.whoseSession(tokenHash, LIMITS))
    await write
      .updateTable('sessions')
      .set({ expires_at: Date.now() - 1000 })
      .execute()
    assert.equal(await store.whoseSession(tokenHash, LIMITS), null)
    await store.sweep(LIMITS, RETENTION)
    assert.deepEqual(await write.selectFrom('sessions').select('id').execute(), [])

    const other = await signIn(store, ada.id)
    assert.equal(await store.endSession(other.id, randomUUID()), false)
    assert.equal(await store.endSession(other.id, ada.id), true)
    assert.equal(await store.endSession(other.id, ada.id), false)
    assert.equal(await store.whoseSession(other.tokenHash, LIMITS), null)
  })

  it('who is disabled has no session and no key; their keys live again with them, their sessions do not', async (store) => {
    await store.addUser(person('root', 'admin'))
    const ada = await store.addUser(person('ada'))
    const session = await signIn(store, ada.id)
    const { key, tokenHash } = await makeKey(store, ada.id)
    assert.deepEqual([...(await store.whose([session.id, key.id, 'unknown'], LIMITS)).keys()].sort(), [session.id, key.id].sort())
    const { user, ended } = (await store.changeUser(ada.id, { disabled: true }))!
    assert.ok(user.disabledAt !== null)
    assert.deepEqual(ended.sort(), [session.id, key.id].sort())
    assert.equal(await store.whoseSession(session.tokenHash, LIMITS), null)
    assert.equal(await store.whoseKey(tokenHash), null)
    assert.equal((await store.whose([session.id, key.id], LIMITS)).size, 0)
    await store.changeUser(ada.id, { disabled: false })
    assert.equal(await store.whoseSession(session.tokenHash, LIMITS), null)
    assert.ok(await store.whoseKey(tokenHash))
  })

  it('a new password ends every session but the one that is kept, and keys only if asked', async (store) => {
    const ada = await store.addUser(person('ada'))
    const ben = await store.addUser(person('ben'))
    const [kept, other] = [await signIn(store, ada.id), await signIn(store, ada.id)]
    const working = await makeKey(store, ada.id, { expiresAt: Date.now() + HOUR_MS })
    await makeKey(store, ada.id, { expiresAt: Date.now() - HOUR_MS })
    await store.revokeKey((await makeKey(store, ada.id)).key.id, null)
    const ofBen = await makeKey(store, ben.id)
    const set = (passwordHash: string, exceptSessionId: string | null, revokeKeys: boolean) =>
      store.setPassword({ userId: ada.id, passwordHash, exceptSessionId, revokeKeys })

    assert.deepEqual(await set('another hash', kept.id, false), { endedSessions: [other.id], revokedKeys: [], activeKeys: 1 })
    assert.equal((await store.findUser(ada.email))!.passwordHash, 'another hash')
    assert.ok(await store.whoseSession(kept.tokenHash, LIMITS))
    assert.ok(await store.whoseKey(working.tokenHash))

    const revokedKeys = [{ id: working.key.id, name: working.key.name }]
    assert.deepEqual(await set('one more', null, true), { endedSessions: [kept.id], revokedKeys, activeKeys: 0 })
    assert.equal(await store.whoseKey(working.tokenHash), null)
    assert.ok(await store.whoseKey(ofBen.tokenHash))
  })

  it('a key lives until it expires or is revoked, and may no more than the role of its owner', async (store, { write }) => {
    await store.addUser(person('root', 'admin'))
    const ada = await store.addUser(person('ada', 'admin'))
    const { key, tokenHash } = await makeKey(store, ada.id, { scopes: 'admin', expiresAt: Date.now() + HOUR_MS })
    assert.deepEqual([key.email, key.lastUsedAt, key.revokedAt], [ada.email, null, null])
    const scopes = async () => {
      const principal = await store.whoseKey(tokenHash)
      assert.deepEqual((await store.whose([key.id], LIMITS)).get(key.id), principal)
      return [...(principal?.scopes ?? [])].sort()
    }
    assert.deepEqual(await scopes(), ['admin', 'read'])
    const [listed] = (await store.listKeys(ada.id, { limit: 10 })).items
    assert.ok(listed!.lastUsedAt !== null)
    await store.changeUser(ada.id, { role: 'member' })
    assert.deepEqual(await scopes(), ['read'])

    await write
      .updateTable('api_keys')
      .set({ expires_at: Date.now() - 1000 })
      .execute()
    assert.equal(await store.whoseKey(tokenHash), null)
    assert.equal((await store.whose([key.id], LIMITS)).size, 0)
    await write.updateTable('api_keys').set({ expires_at: null }).execute()
    assert.ok(await store.whoseKey(tokenHash))

    assert.equal(await store.revokeKey(key.id, randomUUID()), null, 'of another user')
    const revoked = await store.revokeKey(key.id, ada.id)
    assert.equal((await store.revokeKey(key.id, null))!.revokedAt, revoked!.revokedAt, 'twice does no harm')
    assert.equal(await store.whoseKey(tokenHash), null)
    assert.equal((await store.listKeys(null, { limit: 10, q: 'ADA@' })).items.length, 1)
    assert.equal((await store.listKeys(null, { limit: 10, q: 'nothing like it' })).items.length, 0)
  })

  const account = { kind: 'account', id: 'a' }
  const address = { kind: 'address', id: '1' }
  const limits: AttemptLimit[] = [
    { subject: account, windowMs: WINDOW_MS, free: 5 },
    { subject: address, windowMs: WINDOW_MS, free: 20 },
  ]
  const count = async (store: AccountStore, ...by: AttemptLimit[]) => (await store.countAttempt(uuidv7(), by))?.retryAfterSeconds ?? null

  it('guesses beyond a limit are refused, uncounted, until the oldest leaves the window', async (store, { write }) => {
    for (let i = 0; i < 5; i += 1) assert.equal(await count(store, ...limits), null)
    const waitS = (await count(store, ...limits))!
    assert.ok(waitS > WINDOW_MS / 1000 - 120 && waitS <= WINDOW_MS / 1000, `${waitS} s`)
    assert.equal((await store.countAttempt(uuidv7(), limits))!.limit.subject.kind, 'account')
    const setAge = (ms: number) =>
      write
        .updateTable('login_attempts')
        .set({ at: Date.now() - ms })
        .execute()
    await setAge(WINDOW_MS - 60_000)
    const soonS = (await count(store, ...limits))!
    assert.ok(soonS > 30 && soonS <= 60, `${soonS} s`)
    await setAge(WINDOW_MS + 1000)
    assert.equal(await count(store, ...limits), null)
    await store.sweep(LIMITS, RETENTION)
    assert.equal((await write.selectFrom('login_attempts').select('at').execute()).length, 2)
  })

  it('a limit with delays makes each guess wait longer than the one before', async (store, { write }) => {
    const growing = { subject: account, windowMs: 24 * HOUR_MS, free: 3, delayMs: (beyond: number) => beyond * 60_000 }
    for (let i = 0; i < 3; i += 1) assert.equal(await count(store, growing), null)
    for (const minutes of [1, 2, 3]) {
      const waitS = (await count(store, growing))!
      assert.ok(waitS > minutes * 60 - 30 && waitS <= minutes * 60, `${waitS} s`)
      await write
        .updateTable('login_attempts')
        .set((eb) => ({ at: eb('at', '-', minutes * 60_000) }))
        .execute()
      assert.equal(await count(store, growing), null)
    }
  })

  it('a right guess takes back the wrong ones of its place, in the count of the account as well, and no others', async (store, {
    write,
  }) => {
    const [here, elsewhere] = [
      { kind: 'place', id: 'a:1' },
      { kind: 'place', id: 'a:2' },
    ]
    const at = (place: AttemptLimit['subject']): AttemptLimit[] => [...limits, { subject: place, windowMs: WINDOW_MS, free: 5 }]
    await count(store, ...at(elsewhere))
    await count(store, ...at(here))
    const right = uuidv7()
    assert.equal(await store.countAttempt(right, at(here)), null)
    await store.forgive(right, here, [account])
    const left = await write.selectFrom('login_attempts').select('subject').orderBy('subject').execute()
    assert.deepEqual(
      left.map(({ subject }) => subject),
      ['account:a', 'address:1', 'address:1', 'place:a:2'],
    )
    await store.forgetAttempts(account)
    assert.deepEqual(await write.selectFrom('login_attempts').select('subject').execute(), [{ subject: 'address:1' }])
  })

  it('of many guesses at once exactly as many get through as are free', async (store) => {
    const many = await Promise.all(Array.from({ length: 40 }, () => count(store, ...limits)))
    assert.equal(many.filter((wait) => wait === null).length, 5)
    const other = { kind: 'account', id: 'b' }
    const growing = { subject: other, windowMs: HOUR_MS, free: 7, delayMs: () => 60_000 }
    const more = await Promise.all(Array.from({ length: 40 }, () => count(store, growing)))
    assert.equal(more.filter((wait) => wait === null).length, 7)
  })

  it('a link is good until it is used, too old, or somebody has an account', async (store) => {
    const [good, old] = [hashToken(newToken()), hashToken(newToken())]
    await store.addSetupToken(good, HOUR_MS)
    await store.addSetupToken(old, -1)
    assert.deepEqual(
      [await store.isSetupToken(good), await store.isSetupToken(old), await store.isSetupToken('none')],
      [true, false, false],
    )
    await store.addUser(person('ada'))
    assert.equal(await store.isSetupToken(good), false)
  })
}
