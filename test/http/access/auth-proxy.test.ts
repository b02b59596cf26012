// Behind a proxy that is trusted: addresses and TLS as it says, and whether the time of an answer tells who has an account.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { ApiMe } from '../../../src/api/accounts.ts'
import { networkOf } from '../../../src/flow/accounts/guess-password.ts'
import { cookieOf, letIn, login, PASSWORD, send, setUp, type SignedIn } from '../../support/clients/accounts.ts'
import { ask } from '../../support/clients/client.ts'
import { query } from '../../support/servers/data-dir.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

const TRIES = 15

let server: Server
let root: SignedIn
before(async () => {
  server = await startServer({ env: { AUTH: 'required', LOG_LEVEL: 'warn', TRUST_PROXY: '127.0.0.1' } })
  root = await setUp(server)
})
after(() => server.stop())

test('an unknown address is answered like a wrong password, in the same time', async () => {
  const people = ['ada', 'ben', 'cyd'].map((name) => `${name}@example.org`)
  for (const email of people) await letIn(server, root, email)
  let client = 0
  async function timed(email: string) {
    const startedAt = performance.now()
    const { status, text } = await login(server, email, 'not the password', { 'x-forwarded-for': `10.0.0.${++client}` })
    return { ms: performance.now() - startedAt, answer: `${status} ${text}` }
  }
  const known = []
  const unknown = []
  // In turn, so that a machine that gets busier does so for both.
  for (let i = 0; i < TRIES; i += 1) {
    known.push(await timed(people[i % 3]!))
    unknown.push(await timed(`nobody${i}@example.org`))
  }
  assert.equal(new Set([...known, ...unknown].map(({ answer }) => answer)).size, 1)
  const median = (all: { ms: number }[]) => all.map(({ ms }) => ms).sort((a, b) => a - b)[Math.floor(TRIES / 2)]!
  const ratio = median(known) / median(unknown)
  assert.ok(ratio > 0.5 && ratio < 2, `known ÷ unknown is ${ratio}`)
})

test('by TLS the cookie is Secure and of this host alone, and browsers are told to stay with TLS', async () => {
  const tls = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' }
  const answer = await login(server, root.email, PASSWORD, tls)
  assert.match(String(answer.headers['set-cookie']), /^__Host-calotype_session=[\w-]{43}; .*Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  assert.match(String(answer.headers['strict-transport-security']), /^max-age=31536000/)
  const cookie = cookieOf(answer)
  const via = async (headers: Record<string, string>) => (await ask<ApiMe>(server, '/api/auth/me', { headers })).body.via
  assert.equal(await via({ ...tls, cookie }), 'session')
  // A cookie without the prefix may come from a neighbour, or from a page without TLS.
  assert.equal(await via({ ...tls, cookie: cookie.replace('__Host-', '') }), 'nobody')
  const origin = server.url
  const post = (origin: string) => send(server, 'POST', '/api/images/delete', { ids: [] }, { ...tls, cookie, origin })
  assert.equal((await post(origin)).body.code, 'origin_not_allowed')
  assert.equal((await post(origin.replace('http:', 'https:'))).status, 200)
  const [row] = await query<{ address: string }>(
    server,
    "select address from audit_log where action = 'login' order by at desc, id desc limit 1",
  )
  assert.equal(row?.address, '203.0.113.9')
})

test('an address of IPv6 stands for its network, one of IPv4 for itself', () => {
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001::6', '2001:db8:1:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ] as const)
    assert.equal(networkOf(address), network)
})
