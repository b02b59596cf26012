// How often one may call, and how much one may upload in a day, on a real server.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiUser } from '../../../src/api/accounts.ts'
import type { ApiError } from '../../../src/api/errors.ts'
import { letIn, makeKey, send, setUp, type SignedIn } from '../../support/clients/accounts.ts'
import { ask, END_OF_PARTS, part, post } from '../../support/clients/client.ts'
import { query } from '../../support/servers/data-dir.ts'
import { photograph } from '../../support/inputs/photographs.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

const MIDNIGHT_MS = 24 * 60 * 60 * 1000

/** What is counted by the day must not meet its end. */
async function awayFromMidnight() {
  const leftMs = MIDNIGHT_MS - (Date.now() % MIDNIGHT_MS)
  if (leftMs < 120_000) await wait(leftMs + 1_000)
}

describe('rate limits', () => {
  let server: Server
  let root: SignedIn
  before(async () => {
    const env = { AUTH: 'required', LOG_LEVEL: 'warn', RATE_LIMIT_PER_MINUTE: '30', ADDRESS_RATE_LIMIT_PER_MINUTE: '20' }
    server = await startServer({ env })
    root = await setUp(server)
  })
  after(() => server.stop())

  async function callsUntilRefused(headers: Record<string, string>, path = '/api/list', init: RequestInit = {}) {
    for (let calls = 0; calls < 100; calls++) {
      const answer = await ask<ApiError>(server, path, { ...init, headers: { ...headers, ...(init.headers as object) } })
      if (answer.status !== 429) continue
      assert.equal(answer.body.code, 'too_many_requests')
      const seconds = Number(answer.headers['retry-after'])
      assert.ok(seconds >= 1 && seconds <= 60, `${seconds} s`)
      return calls
    }
    return assert.fail('never refused')
  }

  test('of a key and of a user who is signed in, each by itself', async () => {
    const [one, other] = [await makeKey(server, root, ['read', 'upload']), await makeKey(server, root, ['read'])]
    assert.equal(await callsUntilRefused(one.headers), 30)
    assert.equal((await ask(server, '/api/list', { headers: other.headers })).status, 200)
    // An upload is refused before its body is read.
    const body = Buffer.concat([part('image', 'a.jpg', Buffer.alloc(500_000)), END_OF_PARTS])
    const refused = await post(server, { path: '/api/upload', headers: one.headers, body })
    assert.deepEqual([refused.status, refused.body.code], [429, 'too_many_requests'])
    assert.deepEqual(await query(server, 'select id from batches'), [])
  })

  test('of an address, for those who have not said who they are, or with a key that is none, whatever they claim', async () => {
    let tries = 0
    // A minute that is about to end would begin anew before the rest is looked at.
    for (let secondsLeft = 0; secondsLeft < 20;) {
      assert.ok(++tries < 200, 'never refused for long')
      const headers = { authorization: `Bearer guess-${tries}`, 'x-forwarded-for': `10.0.0.${tries}` }
      const { status, headers: given } = await ask(server, '/api/list', { headers })
      assert.ok(status === 401 || status === 429, String(status))
      if (status === 429) secondsLeft = Number(given['retry-after'])
      if (status === 429 && secondsLeft < 20) await wait(secondsLeft * 1_000)
    }
    assert.equal((await ask(server, '/api/auth/me')).status, 429)
    // What everyone needs, and who is known, goes on.
    for (const path of ['/healthz', '/api/openapi.json', '/login']) assert.equal((await ask(server, path)).status, 200, path)
    assert.equal((await ask(server, '/api/auth/me', { headers: root.headers })).status, 200)
  })

  test('of media there are none', async () => {
    for (let i = 0; i < 60; i++) assert.equal((await ask(server, `/media/images/x${i}.jpg`)).status, 404)
  })
})

describe('an open server', () => {
  test('has no limits unless it is told', async () => {
    await using server = await startServer({ env: { LOG_LEVEL: 'warn' } })
    const all = await Promise.all(Array.from({ length: 1_000 }, () => ask(server, '/api/images/count')))
    assert.ok(all.every(({ status }) => status === 200))
  })

  test('counts by address where it is', async () => {
    await using server = await startServer({ env: { LOG_LEVEL: 'warn', ADDRESS_RATE_LIMIT_PER_MINUTE: '5' } })
    const all = await Promise.all(Array.from({ length: 8 }, () => ask(server, '/api/images/count')))
    assert.equal(all.filter(({ status }) => status === 200).length, 5)
  })
})

describe('quotas', () => {
  let server: Server
  let root: SignedIn
  let photo: Buffer
  before(async () => {
    await awayFromMidnight()
    server = await startServer({ env: { AUTH: 'required', LOG_LEVEL: 'warn', QUOTA_IMAGES_PER_DAY: '3' } })
    root = await setUp(server)
    photo = await photograph({ seed: 3, megapixels: 0.05, format: 'jpeg' })
  })
  after(() => server.stop())

  const sendFiles = (who: SignedIn, files: [name: string, bytes: Uint8Array][], headers: Record<string, string> = {}) =>
    post(server, {
      path: '/api/async/upload',
      headers: { ...who.headers, ...headers },
      body: Buffer.concat([...files.map(([name, bytes]) => part('images', name, bytes)), END_OF_PARTS]),
    })
  const setQuota = (who: SignedIn, quota: object) => send<ApiUser>(server, 'PATCH', `/api/admin/users/${who.id}`, { quota }, root.headers)
  const used = async (who: SignedIn) => {
    const { body } = await ask<ApiUser[]>(server, `/api/admin/users?q=${who.email}`, { headers: root.headers })
    return body[0]!.used_today
  }
  function assertExceeded({ status, body, headers }: Awaited<ReturnType<typeof sendFiles>>) {
    assert.deepEqual([status, body.code], [429, 'quota_exceeded'])
    const seconds = Number(headers['retry-after'])
    assert.ok(seconds >= 1 && seconds <= 86_400, `${seconds} s`)
  }

  test('of images: so many are taken, and what was deleted, refused or cut off is counted as it should be', async () => {
    const ada = await letIn(server, root, 'ada@example.org')
    const first = await sendFiles(ada, [
      ['a.jpg', photo],
      ['notes.txt', Buffer.from('no image at all, and longer than a signature')],
      ['b.jpg', photo],
    ])
    assert.equal(first.status, 202, first.text)
    assert.deepEqual(await used(ada), { bytes: 2 * photo.length, images: 2 })
    // Two more are one too many: none is taken, and none is counted.
    assertExceeded(
      await sendFiles(ada, [
        ['c.jpg', photo],
        ['d.jpg', photo],
      ]),
    )
    assert.deepEqual(await used(ada), { bytes: 2 * photo.length, images: 2 })
    // A day has only so many, whatever becomes of them.
    const gone = await send(server, 'DELETE', `/api/images/${first.body.images[0]!.id}`, undefined, ada.headers)
    assert.equal(gone.status, 204)
    assert.equal((await sendFiles(ada, [['e.jpg', photo]])).status, 202)
    assertExceeded(await sendFiles(ada, [['f.jpg', photo]]))
    assert.deepEqual(await used(ada), { bytes: 3 * photo.length, images: 3 })
  })

  test('of bytes: a body is stopped as it passes, before all of it has come', async () => {
    const ben = await letIn(server, root, 'ben@example.org')
    const { body } = await setQuota(ben, { bytes: 1_000_000, images: 1_000 })
    assert.deepEqual(body.quota, { bytes: 1_000_000, images: 1_000 })
    let sentBytes = 0
    async function* endless() {
      yield part('images', 'large.jpg', photo).subarray(0, -2)
      for (; sentBytes < 40_000_000; sentBytes += 65_536) {
        yield Buffer.alloc(65_536, 1)
        // The server listens on for some seconds to who is refused.
        await wait(20)
      }
    }
    const stopped = await post(server, { path: '/api/async/upload', headers: ben.headers, body: endless() })
    assertExceeded(stopped)
    assert.ok(sentBytes < 40_000_000, 'the answer came while it was sent')
    assert.deepEqual(await used(ben), { bytes: 0, images: 0 })
    assert.equal((await sendFiles(ben, [['a.jpg', photo]])).status, 202)
  })

  test('hold for uploads that arrive at the same time', async () => {
    const cyd = await letIn(server, root, 'cyd@example.org')
    await setQuota(cyd, { images: 5 })
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => sendFiles(cyd, [[`${i}.jpg`, photo]])))
    assert.equal(all.filter(({ status }) => status === 202).length, 5)
    for (const answer of all.filter(({ status }) => status !== 202)) assertExceeded(answer)
    assert.deepEqual(await used(cyd), { bytes: 5 * photo.length, images: 5 })
  })

  test('hold for declared batches, of which whole files stay', async () => {
    const dan = await letIn(server, root, 'dan@example.org')
    await setQuota(dan, { images: 2 })
    const files = ['a.jpg', 'b.jpg'].map((name) => ({ name, size: photo.length }))
    const declared = await send<{ id: string }>(server, 'POST', '/api/batches', { files }, dan.headers)
    assert.equal(declared.status, 201, declared.text)
    await setQuota(dan, { images: 1 })
    const one = (index: number) =>
      post(server, {
        path: `/api/async/batch/upload?batch=${declared.body.id}`,
        headers: dan.headers,
        body: Buffer.concat([part('index', null, String(index)), part('images', 'x.jpg', photo), END_OF_PARTS]),
      })
    assert.equal((await one(0)).status, 202)
    assertExceeded(await one(1))
    assert.deepEqual(await used(dan), { bytes: photo.length, images: 1 })
  })

  test('count what is declared and awaited, and give it back when it is cancelled', async () => {
    const fay = await letIn(server, root, 'fay@example.org')
    await setQuota(fay, { images: 4 })
    const declareSome = (count: number, size = photo.length) => {
      const files = Array.from({ length: count }, (_, at) => ({ name: `${at}.jpg`, size }))
      return send<{ id: string }>(server, 'POST', '/api/batches', { files }, fay.headers)
    }
    const assertRefused = async (answer: ReturnType<typeof declareSome>) => {
      const { status, body } = await answer
      assert.deepEqual([status, body.code], [429, 'quota_exceeded'])
    }
    const batches = async () => (await query<{ n: number }>(server, `select count(*) as n from batches where owner_id = '${fay.id}'`))[0]!.n
    await assertRefused(declareSome(5))
    assert.equal(await batches(), 0)
    const declared = await declareSome(3)
    assert.equal(declared.status, 201, declared.text)
    await assertRefused(declareSome(2))
    // One that comes is not counted twice.
    const sent = await post(server, {
      path: `/api/async/batch/upload?batch=${declared.body.id}`,
      headers: fay.headers,
      body: Buffer.concat([part('index', null, '0'), part('images', 'x.jpg', photo), END_OF_PARTS]),
    })
    assert.equal(sent.status, 202, sent.text)
    await assertRefused(declareSome(2))
    assert.equal((await declareSome(1)).status, 201)
    assert.equal((await send(server, 'POST', `/api/batches/${declared.body.id}/cancel`, undefined, fay.headers)).status, 200)
    await assertRefused(declareSome(3))
    assert.equal((await declareSome(2)).status, 201)
    // Nothing is read for who has used all.
    await setQuota(fay, { images: 1 })
    await assertRefused(declareSome(1))
    // Of bytes, too: one has come, three are awaited.
    await setQuota(fay, { images: 100, bytes: 5 * photo.length })
    await assertRefused(declareSome(1, photo.length + 1))
    assert.equal((await declareSome(1)).status, 201)
  })

  test('bound declarations that are cancelled and made again', async () => {
    const gus = await letIn(server, root, 'gus@example.org')
    await setQuota(gus, { images: 2 })
    const files = ['a.jpg', 'b.jpg'].map((name) => ({ name, size: 5 }))
    for (let times = 0; times < 10; times++) {
      const { status, body } = await send<{ id: string }>(server, 'POST', '/api/batches', { files }, gus.headers)
      assert.equal(status, 201)
      assert.equal((await send(server, 'POST', `/api/batches/${body.id}/cancel`, undefined, gus.headers)).status, 200)
    }
    const { status, body } = await send(server, 'POST', '/api/batches', { files }, gus.headers)
    assert.deepEqual([status, body.code], [429, 'quota_exceeded'])
    assert.match(body.error, /declared today/)
    // What is sent at once needs no declaration.
    assert.equal((await sendFiles(gus, [['a.jpg', photo]])).status, 202)
  })

  test('are set by administrators, and null is the default again', async () => {
    const eve = await letIn(server, root, 'eve@example.org')
    await setQuota(eve, { images: 0 })
    assertExceeded(await sendFiles(eve, [['a.jpg', photo]]))
    assert.deepEqual((await setQuota(eve, { bytes: 7 })).body.quota, { bytes: 7, images: 0 })
    assert.deepEqual((await setQuota(eve, { bytes: null, images: null })).body.quota, { bytes: null, images: null })
    assert.equal((await sendFiles(eve, [['a.jpg', photo]])).status, 202)
    for (const bad of [{ images: -1 }, { bytes: 1.5 }, { images: '5' }, { pixels: 3 }]) assert.equal((await setQuota(eve, bad)).status, 400)
    const own = await send(server, 'PATCH', `/api/admin/users/${eve.id}`, { quota: { images: 9 } }, eve.headers)
    assert.equal(own.status, 403)
  })
})
