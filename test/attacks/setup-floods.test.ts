// Floods of set-ups and sign-ins from some addresses: each is refused cheaply or waits for its turn, and nobody else waits with it.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { PASSWORD, setUp } from '../support/clients/accounts.ts'
import { startCluster } from '../support/servers/cluster.ts'
import { query } from '../support/servers/data-dir.ts'
import { askFrom } from '../support/clients/from-address.ts'
import { processesOfGroup } from '../support/servers/processes.ts'
import { startServer, type Server } from '../support/servers/server.ts'
import { longTest, tellAttack, watch } from './figures.ts'

/** Set-ups and sign-ins of different accounts at the same moment, from an address each. */
const BURST = { setups: 40, logins: 8 }
/** Of the sign-ins of a burst, how many may be answered before one of another address that came after them: two that were being hashed, one by turns. */
const MAX_ANSWERED_BEFORE = BURST.logins / 2
const OWNER = '127.0.0.200'
const EMAIL = 'root@example.org'
const ENV = { AUTH: 'required', LOG_LEVEL: 'warn' }
const FLOOD_MS = 60_000
/** From each address: what ADDRESS_RATE_LIMIT_PER_MINUTE lets through. */
const FLOOD_PER_SECOND = 10
const FLOODING = { setups: ['127.0.1.1', '127.0.1.2', '127.0.1.3'], logins: Array.from({ length: 20 }, (_, i) => `127.0.2.${i + 1}`) }

type Address = { readonly url: string }

const setUpFrom = (address: string, server: Address, token = 'guessed') =>
  askFrom(address, server, '/api/auth/setup', { body: { token, email: 'eve@example.org', password: PASSWORD, name: 'Eve' } })
const signInFrom = (address: string, server: Address, email = EMAIL, password = PASSWORD) =>
  askFrom(address, server, '/api/auth/login', { body: { email, password } })

interface Timed {
  ms: number
  status: number
}

async function timed(asking: () => Promise<{ status: number }>): Promise<Timed> {
  const startedAt = performance.now()
  const { status } = await asking()
  return { ms: performance.now() - startedAt, status }
}

const quantile = (all: Timed[], q: number) =>
  all.map(({ ms }) => ms).sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(q * all.length))]!

async function signInOften(server: Address, times: number): Promise<Timed[]> {
  const all: Timed[] = []
  for (let i = 0; i < times; i += 1) all.push(await timed(() => signInFrom(OWNER, server)))
  return all
}

test('a burst of set-ups and sign-ins takes turns with a sign-in from elsewhere', async () => {
  await using server = await startServer({ env: ENV })
  // Before there is an administrator, too: only the link of the log is worth a hash.
  const early = Array.from({ length: BURST.setups }, () => setUpFrom('127.0.0.4', server))
  await setUp(server, EMAIL)
  assert.deepEqual(new Set((await Promise.all(early)).map(({ status }) => status)), new Set([403]))

  let wrong = 0
  const setups = Array.from({ length: BURST.setups }, () => setUpFrom('127.0.0.2', server))
  const logins = Array.from({ length: BURST.logins }, async (_, i) => {
    const answer = await signInFrom('127.0.0.3', server, `nobody${i}@example.org`, 'wrong')
    wrong += 1
    return answer
  })
  const { status } = await signInFrom(OWNER, server)
  const answeredBefore = wrong
  const answers = await Promise.all([...setups, ...logins])
  assert.equal(status, 200)
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([403, 401]))
  assert.ok(answeredBefore <= MAX_ANSWERED_BEFORE, `${answeredBefore} of ${BURST.logins} wrong sign-ins were answered before the right one`)
})

test('a guess is counted only when its turn has come, so that a flood of them keeps nobody waiting for the database', async () => {
  await using server = await startServer({ env: ENV })
  await setUp(server, EMAIL)
  const addresses = Array.from({ length: 6 }, (_, i) => `127.0.3.${i + 1}`)
  let answered = 0
  const flood = addresses.flatMap((address) =>
    Array.from({ length: 5 }, async (_, i) => {
      const answer = await signInFrom(address, server, `${address}-${i}@example.org`, 'wrong')
      answered += 1
      return answer.status
    }),
  )
  const { status } = await signInFrom(OWNER, server)
  const [row] = await query<{ counted: number }>(server, 'select count(distinct attempt_id) as counted from login_attempts')
  const before = answered
  assert.equal(status, 200)
  // Two are being hashed, and some are done whose answers are still on their way: all 30 would be counted at once.
  assert.ok(row!.counted <= before + 10, `${row!.counted} guesses were counted, ${before} answered`)
  assert.deepEqual(new Set(await Promise.all(flood)), new Set([401]))
})

test('who has too many passwords to be hashed is refused, and nobody else', async () => {
  await using server = await startServer({ env: ENV })
  const root = await setUp(server, EMAIL)
  // Making users is not limited by guesses: each is one hash.
  const make = (i: number) =>
    askFrom('127.0.0.2', server, '/api/admin/users', {
      headers: root.headers,
      body: { email: `user${i}@example.org`, name: 'User', role: 'member', password: PASSWORD },
    })
  const making = Promise.all(Array.from({ length: 30 }, (_, i) => make(i)))
  const [signedIn] = await signInOften(server, 1)
  const answers = await making
  const refused = answers.filter(({ status }) => status === 503)
  assert.equal(signedIn?.status, 200)
  assert.ok(refused.length > 0, 'none was refused')
  assert.equal(answers.length - refused.length, answers.filter(({ status }) => status === 201).length)
  for (const { headers, body } of refused) assert.deepEqual([headers['retry-after'], body.code], ['5', 'overloaded'])
})

type Watchable = Pick<Server, 'pid' | 'rssMb' | 'url'>

async function floodFor(server: Address, until: number): Promise<void> {
  const each = (address: string, ask: (n: number) => Promise<unknown>) =>
    (async () => {
      const asking: Promise<unknown>[] = []
      for (let n = 0; performance.now() < until; n += 1) {
        // Its answer is no matter.
        asking.push(ask(n).catch(() => undefined))
        await wait(1000 / FLOOD_PER_SECOND)
      }
      await Promise.all(asking)
      return address
    })()
  await Promise.all([
    ...FLOODING.setups.map((address) => each(address, () => setUpFrom(address, server))),
    ...FLOODING.logins.map((address) => each(address, (n) => signInFrom(address, server, `${address}-${n}@example.org`, 'wrong'))),
  ])
}

async function measure(t: TestContext, topology: string, server: Watchable, asked: Address): Promise<void> {
  const alone = await signInOften(asked, 10)
  const beside: Timed[] = []
  const watched = await watch(
    server,
    async () => {
      const until = performance.now() + FLOOD_MS
      const flooding = floodFor(asked, until)
      while (performance.now() < until) {
        beside.push(await timed(() => signInFrom(OWNER, asked)))
        await wait(500)
      }
      await flooding
    },
    { url: asked.url },
  )
  const refused = beside.filter(({ status }) => status !== 200)
  const figures = (all: Timed[]) => `p50 ${Math.round(quantile(all, 0.5))} ms, p99 ${Math.round(quantile(all, 0.99))} ms`
  const note = `sign-in alone ${figures(alone)}; beside the floods ${figures(beside)}, ${refused.length} of ${beside.length} refused`
  tellAttack(t, 'set-up floods', topology, watched, note)
  assert.equal(refused.length, 0, note)
  assert.equal(watched.healthzUnanswered, 0)
}

longTest('a minute of set-ups and sign-ins from 23 addresses', async (t) => {
  await using server = await startServer({ env: ENV })
  await setUp(server, EMAIL)
  await measure(t, 'embedded', server, server)
})

longTest('a minute of set-ups and sign-ins from 23 addresses, through nginx', async (t) => {
  await using cluster = await startCluster({ env: ENV })
  await setUp({ url: cluster.url, output: () => `set-up ${cluster.setupUrl}` }, EMAIL)
  const { pid, url } = await cluster.member('api-1')
  assert.ok(pid !== null && url !== null && url !== undefined)
  const rssMb = () => processesOfGroup(pid).find((entry) => entry.pid === pid)?.rssMb ?? NaN
  await measure(t, 'cluster', { pid, url, rssMb }, cluster)
})
