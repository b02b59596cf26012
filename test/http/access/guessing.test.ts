// Guessing at passwords: slow from everywhere together, and never in the way of who signs in elsewhere, from a known browser, or is signed in.
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { ApiMe, ApiPasswordChanged, ApiPasswordReset } from '../../../src/api/accounts.ts'
import { letIn, PASSWORD, send, setUp, type SignedIn } from '../../support/clients/accounts.ts'
import { change } from '../../support/servers/data-dir.ts'
import { askFrom } from '../../support/clients/from-address.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

const [HERE, ELSEWHERE] = ['127.0.0.200', '127.0.0.100']
const NEXT_PASSWORD = 'another long password'

let server: Server
let root: SignedIn
before(async () => {
  server = await startServer({ env: { AUTH: 'required', LOG_LEVEL: 'warn' } })
  root = await setUp(server)
})
after(() => server.stop())
beforeEach(() => change(server, 'delete from login_attempts'))

const loginFrom = (address: string, email: string, password = PASSWORD, cookie?: string) =>
  askFrom<ApiMe>(address, server, '/api/auth/login', { body: { email, password }, ...(cookie !== undefined && { headers: { cookie } }) })

/** The cookie of a device, as a `Cookie` header has it. */
function deviceOf({ headers }: { headers: IncomingHttpHeaders }): string {
  const cookie = [headers['set-cookie'] ?? []].flat().find((line) => line.startsWith('calotype_device_'))
  assert.ok(cookie, 'no cookie of a device was set')
  return cookie.split(';', 1)[0]!
}

async function guessFrom(address: string, email: string, times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) assert.equal((await loginFrom(address, email, `wrong ${i}`)).status, 401, `${i + 1}. guess`)
}

const hashOf = (email: string) => createHash('sha256').update(email).digest('hex')

/** Wrong guesses that were made before, so many minutes ago. */
async function remember(subject: string, minutesAgo: number[]): Promise<void> {
  const rows = minutesAgo.map((minutes) => `('${randomUUID()}', '${subject}', ${Date.now() - minutes * 60_000})`)
  await change(server, `insert into login_attempts (attempt_id, subject, at) values ${rows.join(', ')}`)
}

/** A day of guesses from many addresses, the newest just now. */
const guessAllDay = (email: string) =>
  remember(
    `account:${hashOf(email)}`,
    Array.from({ length: 100 }, (_, i) => i * 14),
  )

describe('wrong guesses from one address', () => {
  test('make that address wait, and say for how long and what else to do; elsewhere the owner signs in', async () => {
    const ada = await letIn(server, root, 'ada@example.org')
    await guessFrom('127.0.0.2', ada.email, 5)
    const refused = await loginFrom('127.0.0.2', ada.email)
    assert.deepEqual([refused.status, refused.body.code], [429, 'too_many_attempts'])
    assert.equal((await loginFrom(HERE, ada.email)).status, 200, 'elsewhere')
    assert.match(
      refused.body.error,
      /^There were too many failed attempts to sign in to this account from your network\. Try again in 15 minutes, or/,
    )
  })

  test('are no more than 20 in a day', async () => {
    const ben = await letIn(server, root, 'ben@example.org')
    await remember(
      `place:${hashOf(ben.email)}:127.0.0.2`,
      Array.from({ length: 20 }, (_, i) => 20 + i),
    )
    const refused = await loginFrom('127.0.0.2', ben.email)
    assert.equal(refused.status, 429)
    assert.match(refused.body.error, /Try again in 24 hours/)
  })
})

describe('wrong guesses from many addresses', () => {
  test('make everywhere wait longer and longer, up to a quarter of an hour', async () => {
    const cyd = await letIn(server, root, 'cyd@example.org')
    await remember(
      `account:${hashOf(cyd.email)}`,
      Array.from({ length: 9 }, () => 1),
    )
    await guessFrom('127.0.0.3', cyd.email, 1)
    const first = await loginFrom('127.0.0.4', cyd.email, 'wrong')
    assert.equal(first.status, 429)
    assert.ok(Number(first.headers['retry-after']) <= 2, first.text)
    await guessAllDay('dee@example.org')
    const late = await loginFrom(HERE, 'dee@example.org')
    assert.equal(late.status, 429)
    const waitS = Number(late.headers['retry-after'])
    assert.ok(waitS > 800 && waitS <= 900, `${waitS} s`)
    assert.match(
      late.body.error,
      /this account\. Try again in 15 minutes, or sign in from a browser that you have used before\. An administrator/,
    )
  })

  test('do not keep out a browser that has signed in before, which stays known', async () => {
    const eve = await letIn(server, root, 'eve@example.org')
    const device = deviceOf(await loginFrom(HERE, eve.email))
    await guessAllDay(eve.email)
    assert.equal((await loginFrom(HERE, eve.email)).status, 429)
    const known = await loginFrom(ELSEWHERE, eve.email, PASSWORD, device)
    assert.equal(known.status, 200, known.text)
    assert.equal((await loginFrom(HERE, eve.email)).status, 429, 'that forgives nobody else')
    assert.equal((await loginFrom(ELSEWHERE, eve.email, PASSWORD, deviceOf(known))).status, 200)
  })

  test('keep out a cookie that is forged, expired or of somebody else', async () => {
    const fay = await letIn(server, root, 'fay@example.org')
    const gus = await letIn(server, root, 'gus@example.org')
    const [name, token] = deviceOf(await loginFrom(HERE, fay.email)).split('=') as [string, string]
    const [, tokenOfGus] = deviceOf(await loginFrom(HERE, gus.email)).split('=') as [string, string]
    await guessAllDay(fay.email)
    const [id, expires, mac] = token.split('.') as [string, string, string]
    const forged = [
      tokenOfGus,
      `${id}.${expires}.${mac.startsWith('A') ? 'B' : 'A'}${mac.slice(1)}`,
      `${id}.${(parseInt(expires, 36) + 1).toString(36)}.${mac}`,
      `${id}.0.${mac}`,
      'nonsense',
    ]
    for (const one of forged) assert.equal((await loginFrom(HERE, fay.email, PASSWORD, `${name}=${one}`)).status, 429, one)
    assert.equal((await loginFrom(HERE, fay.email, PASSWORD, `${name}=${token}`)).status, 200)
  })

  test('from a known browser: five, then that browser waits, and no other', async () => {
    const hal = await letIn(server, root, 'hal@example.org')
    const stolen = deviceOf(await loginFrom(HERE, hal.email))
    const other = deviceOf(await loginFrom(HERE, hal.email))
    for (let i = 0; i < 5; i += 1) assert.equal((await loginFrom(`127.0.1.${i}`, hal.email, 'wrong', stolen)).status, 401)
    assert.equal((await loginFrom('127.0.1.9', hal.email, PASSWORD, stolen)).status, 429)
    assert.equal((await loginFrom(HERE, hal.email, PASSWORD, other)).status, 200)
    assert.equal((await loginFrom(HERE, hal.email)).status, 200)
  })
})

describe('the cookie of a known browser', () => {
  test('is for signing in alone, out of reach of scripts and of links from elsewhere', async () => {
    const { headers } = await loginFrom(HERE, root.email)
    const cookie = [headers['set-cookie'] ?? []].flat().find((line) => line.startsWith('calotype_device_'))
    assert.match(
      String(cookie),
      /^calotype_device_[0-9a-f]{12}=[\w-]{22}\.[0-9a-z]+\.[\w-]{43}; Max-Age=15552000; Path=\/api\/auth; HttpOnly; SameSite=Strict$/,
    )
  })
})

describe('a new password', () => {
  const changeFrom = (address: string, { headers }: SignedIn, current: string, more: object = {}) =>
    askFrom<ApiPasswordChanged>(address, server, '/api/auth/password', { headers, body: { current, password: NEXT_PASSWORD, ...more } })

  test('can be set by who is signed in, however much is guessed elsewhere; known browsers are known no more, but this one is', async () => {
    const ida = await letIn(server, root, 'ida@example.org')
    const before = deviceOf(await loginFrom(HERE, ida.email))
    await guessAllDay(ida.email)
    await remember(
      'address:127.0.0.2',
      Array.from({ length: 20 }, () => 1),
    )
    const changed = await changeFrom('127.0.0.2', ida, PASSWORD)
    assert.equal(changed.status, 200, changed.text)
    assert.equal((await loginFrom(HERE, ida.email, NEXT_PASSWORD, before)).status, 429)
    assert.equal((await loginFrom(HERE, ida.email, NEXT_PASSWORD, deviceOf(changed))).status, 200)
  })

  test('a session guesses five times at the current one', async () => {
    const jon = await letIn(server, root, 'jon@example.org')
    for (let i = 0; i < 5; i += 1) assert.equal((await changeFrom(`127.0.1.${i}`, jon, `wrong ${i}`)).status, 401)
    assert.equal((await changeFrom(HERE, jon, PASSWORD)).status, 429)
    assert.equal((await loginFrom(HERE, jon.email)).status, 200)
  })

  test('given by an administrator lets its owner in at once', async () => {
    const kay = await letIn(server, root, 'kay@example.org')
    await guessAllDay(kay.email)
    const reset = await send<ApiPasswordReset>(server, 'POST', `/api/admin/users/${kay.id}/reset-password`, {}, root.headers)
    assert.equal((await loginFrom(HERE, kay.email, reset.body.password!)).status, 200)
  })
})
