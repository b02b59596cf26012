// What the doctor is told by a PostgreSQL and by the poolers before it: one that answers about itself, and ones that do not.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { pgbouncer } from '../../scripts/cluster/engines.ts'
import { freePorts, openPlace } from '../../scripts/cluster/place.ts'
import { findPrograms } from '../../scripts/cluster/programs.ts'
import { postgresFacts } from '../../src/db/postgres/postgres-facts.ts'
import { eventually } from '../support/clients/client.ts'
import { startCluster, type TestCluster } from '../support/servers/cluster.ts'

let cluster: TestCluster
before(async () => {
  cluster = await startCluster({ api: 0, workers: 0 })
})
after(() => cluster.stop())

/** Another PgBouncer before the same PostgreSQL, that tells nobody of itself. Returns an address through it. */
async function startSilentPooler(t: TestContext, mode: string): Promise<string> {
  const programs = findPrograms(() => undefined)
  const place = openPlace(undefined, programs.setpriv)
  const [port = 0] = await freePorts(1)
  const url = new URL(cluster.directDatabaseUrl)
  const { command } = pgbouncer({ place, programs, port, postgresPort: Number(url.port) })
  const file = (name: string) => join(place.folder, 'pgbouncer', name)
  const settings = readFileSync(file('settings.ini'), 'utf8')
  writeFileSync(file('settings.ini'), settings.replace('pool_mode = transaction', `pool_mode = ${mode}`).replace(/^stats_users = .*$/m, ''))
  writeFileSync(file('users.txt'), `"${url.username}" "${url.password}"\n`)
  const pooler = spawn(command[0]!, command.slice(1), { stdio: 'ignore' })
  const ended = once(pooler, 'exit')
  t.after(async () => {
    pooler.kill('SIGKILL')
    await ended
    place.remove()
  })
  url.port = String(port)
  const answers = () =>
    postgresFacts(url.href).then(
      () => true,
      () => false,
    )
  await eventually('the pooler answers', answers, 60_000)
  return url.href
}

test('a pooler that answers about itself is asked', async () => {
  const { pooling, mostClients, clockOffsetMs, clockErrorMs } = await postgresFacts(cluster.databaseUrl)
  assert.deepEqual([pooling, mostClients], ['transaction', 500])
  assert.ok(Math.abs(clockOffsetMs) <= clockErrorMs + 50)
})

test('without a pooler there is none', async () => {
  assert.deepEqual((({ pooling, mostClients }) => [pooling, mostClients])(await postgresFacts(cluster.directDatabaseUrl)), ['none', 60])
})

for (const mode of ['transaction', 'session', 'statement']) {
  test(`one that says nothing is seen to work by ${mode}`, async (t) => {
    assert.equal((await postgresFacts(await startSilentPooler(t, mode))).pooling, mode)
  })
}

test('a database that is away is an error, and no answer', async () => {
  await assert.rejects(postgresFacts('postgres://nobody@127.0.0.1:1/nothing'))
})
