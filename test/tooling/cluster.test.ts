// `npm run cluster` itself: it serves, its members come and go, and nothing of it outlives it.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { ApiError } from '../../src/api/errors.ts'
import type { ClusterReport } from '../../scripts/cluster/topology.ts'
import { allFinal, ask, eventually, upload, watch } from '../support/clients/client.ts'
import { startCluster, type TestCluster } from '../support/servers/cluster.ts'
import { photograph } from '../support/inputs/photographs.ts'

const SCRIPT = join(import.meta.dirname, '../../scripts/cluster.ts')

const photo = (seed: number) => photograph({ seed, megapixels: 0.5 })

/** Processes whose command line or working folder names the cluster's folder: all of its engines, API servers and workers. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
        const open = readFileSync(`/proc/${pid}/maps`, 'utf8')
        return [command, environment, open].some((text) => text.includes(folder)) ? [`${pid} ${command}`] : []
      } catch {
        return []
      }
    })
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}

describe('a whole cluster', () => {
  let cluster: TestCluster
  before(async () => {
    cluster = await startCluster({ env: { MAX_FILE_BYTES: '3000000' } })
  })
  after(async () => {
    const { folder } = cluster
    assert.equal(await cluster.stop(), 0)
    assert.deepEqual(processesOf(folder), [])
    assert.equal(existsSync(folder), false)
  })

  test('takes an image, develops it, serves it and tells of it', async () => {
    using watching = await watch(cluster)
    const { status, body } = await upload(cluster, 'sync', [{ name: 'one.jpg', bytes: await photo(1) }])
    assert.deepEqual([status, body.image.status], [200, 'completed'])
    await eventually('the watcher heard of it', async () => watching.messages.some((message) => message.status === 'completed'))
    for (const path of [body.image.image!, body.image.thumbnail!, body.image.image!]) {
      const answer = await fetch(cluster.url + path)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable')
      assert.equal(Number(answer.headers.get('content-length')), (await answer.arrayBuffer()).byteLength)
    }
    assert.notDeepEqual(readdirSync(join(cluster.folder, 'nginx/media')), [], 'it is in the cache')
  })

  test('what is deleted is gone at once, though it was in the cache; ranges and their errors are as without one', async () => {
    const { body } = await upload(cluster, 'sync', [{ name: 'two.jpg', bytes: await photo(2) }])
    const path = body.image.image!
    const first = await fetch(cluster.url + path)
    const etag = first.headers.get('etag')!
    const bytes = Buffer.from(await first.arrayBuffer())
    assert.equal((await fetch(cluster.url + path, { headers: { 'if-none-match': etag } })).status, 304)
    const part = await fetch(cluster.url + path, { headers: { range: 'bytes=10-19' } })
    assert.deepEqual([part.status, Buffer.from(await part.arrayBuffer())], [206, bytes.subarray(10, 20)])
    const outside = await ask<{ code: string }>(cluster, path, { headers: { range: 'bytes=99999999-' } })
    assert.deepEqual([outside.status, outside.body.code], [416, 'range_not_satisfiable'])
    assert.equal((await ask(cluster, `/api/images/${body.image.id}`, { method: 'DELETE' })).status, 204)
    const gone = await ask<ApiError>(cluster, path)
    assert.deepEqual([gone.status, gone.body.code, gone.headers['cache-control']], [404, 'not_found', 'no-store'])
    assert.equal((await ask(cluster, '/-/known-media')).status, 404)
  })

  test('an answer that comes before the end of the body arrives', async () => {
    const bytes = Buffer.concat([await photo(3), Buffer.alloc(20_000_000)])
    const { status, body } = await upload(cluster, 'sync', [{ name: 'large.jpg', bytes }])
    assert.deepEqual([status, body.code], [413, 'file_too_large'])
  })

  test('pages of the address itself may use the API, others may not', async () => {
    const remove = (origin: string) =>
      ask<ApiError>(cluster, '/api/images/11111111-2222-4333-8444-555555555555', { method: 'DELETE', headers: { origin } })
    assert.equal((await remove(cluster.url)).status, 404)
    assert.equal((await remove('http://elsewhere.example')).body.code, 'origin_not_allowed')
  })

  test('without an API server there is 503 with Retry-After; with one of two, everything is answered', async () => {
    await cluster.kill('api-1')
    for (let count = 0; count < 10; count++) assert.equal((await ask(cluster, '/api/list?limit=1')).status, 200)
    await cluster.stopMember('api-2')
    for (const path of ['/api/list', '/media/images/nothing']) {
      const { status, headers, body } = await ask<ApiError>(cluster, path)
      assert.deepEqual([status, headers['retry-after'], body.code], [503, '2', 'overloaded'])
    }
    await Promise.all([cluster.start('api-1'), cluster.start('api-2')])
    await eventually('it answers again', async () => (await ask(cluster, '/readyz')).status === 200)
  })

  test('each engine can be killed and started again, with what it knew', async () => {
    const images = (await ask<unknown[]>(cluster, '/api/list')).body.length
    for (const name of ['postgres', 'pgbouncer', 'redis', 'nginx']) {
      const { pid } = await cluster.member(name)
      await cluster.kill(name)
      assert.equal((await cluster.member(name)).pid, null)
      const started = await cluster.start(name)
      assert.ok(started.pid !== null && started.pid !== pid)
      await eventually(`ready again after ${name}`, async () => (await ask(cluster, '/readyz').catch(() => null))?.status === 200, 20_000)
    }
    assert.equal((await ask<unknown[]>(cluster, '/api/list')).body.length, images)
    const { status } = await upload(cluster, 'sync', [{ name: 'after.jpg', bytes: await photo(4) }])
    assert.ok(status === 200 || status === 202, `status ${status}`)
    assert.ok((await allFinal(cluster)).every((image) => image.status === 'completed'))
  })

  test('a worker more, and one that dies by itself is started again', async () => {
    const third = await cluster.start('worker-3')
    assert.equal((await fetch(`${third.url}/readyz`)).status, 200)
    process.kill(third.pid!, 'SIGKILL')
    await eventually('there is another one', async () => ![null, third.pid].includes((await cluster.member('worker-3')).pid), 20_000)
    await assert.rejects(cluster.start('api-3'), /There is no api-3/)
  })

  test('the settings are those that matter', async () => {
    const { databaseUrl, directDatabaseUrl, redisUrl } = cluster
    for (const name of ['fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums'])
      assert.deepEqual(await query(directDatabaseUrl, `show ${name}`), [{ [name]: 'on' }])
    const config = await query<{ key: string; value: string }>(databaseUrl.replace(/calotype$/, 'pgbouncer'), 'show config')
    const pooler = Object.fromEntries(config.map(({ key, value }) => [key, value]))
    assert.deepEqual([pooler.pool_mode, pooler.server_login_retry, pooler.auth_type], ['transaction', '1', 'scram-sha-256'])
    const redis = new Redis(redisUrl)
    try {
      const value = async (name: string) => (await redis.config('GET', name))[1]
      assert.deepEqual(
        [await value('appendonly'), await value('appendfsync'), await value('maxmemory-policy')],
        ['yes', 'everysec', 'noeviction'],
      )
    } finally {
      redis.disconnect()
    }
  })
})

test('with --s3 images lie in the bucket', async () => {
  await using cluster = await startCluster({ api: 1, workers: 1, s3: true })
  const { status, body } = await upload(cluster, 'sync', [{ name: 'one.jpg', bytes: await photo(1) }])
  assert.equal(status, 200)
  assert.equal((await fetch(cluster.url + body.image.image!)).status, 200)
  assert.equal(existsSync(join(cluster.dataDir, 'originals')), false)
})

test('a folder keeps everything; killed with SIGKILL, its members end, and the next start goes on from there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'calotype-kept-'))
  try {
    const first = await startCluster({ folder, api: 0, workers: 0 })
    await query(first.databaseUrl, 'create table kept (n int)')
    await query(first.databaseUrl, 'insert into kept values (7)')
    process.kill(first.pid, 'SIGKILL')
    await eventually('all of it has ended', async () => processesOf(folder).length === 0, 20_000)
    assert.equal(await first.stop(), null)
    {
      await using second = await startCluster({ folder, api: 0, workers: 0 })
      assert.deepEqual(await query(second.databaseUrl, 'select n from kept'), [{ n: 7 }])
    }
    assert.deepEqual(processesOf(folder), [])
    assert.ok(existsSync(join(folder, 'postgres/data/PG_VERSION')))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a signal while it starts ends what was started', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'calotype-signal-'))
  // Where its engines, as another user, may pass through.
  chmodSync(temporary, 0o711)
  try {
    const child = spawn(process.execPath, [SCRIPT, '--json'], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    await eventually('it has started the first engine', async () => said.includes('starting pgbouncer'), 30_000)
    assert.notDeepEqual(processesOf(temporary), [])
    child.kill('SIGINT')
    const [code] = (await once(child, 'exit')) as [number | null]
    assert.equal(code, 0)
    assert.doesNotMatch(said, /\n {4}at /)
    assert.deepEqual([processesOf(temporary), readdirSync(temporary)], [[], []])
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
})

test('an input that is empty from the start is no command to end', async () => {
  const child = spawn(process.execPath, [SCRIPT, '--json', '--api', '0', '--workers', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
    assert.match(line, /^\{[^\n]*\}\n$/)
    const report = JSON.parse(line) as ClusterReport
    assert.equal(report.url, null)
    assert.deepEqual(await query(report.databaseUrl, 'select 1 as one'), [{ one: 1 }])
  } finally {
    child.kill('SIGTERM')
  }
  const [code] = (await once(child, 'exit')) as [number | null]
  assert.equal(code, 0)
})

test('what cannot be is said in a sentence', async () => {
  const run = (...args: string[]) => spawnSync(process.execPath, [SCRIPT, ...args], { encoding: 'utf8', timeout: 60_000 })
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  try {
    for (const [args, sentence] of [
      [['--port', String(port)], /^Port \d+ is taken\./],
      [['--workers', 'many'], /^--workers is "many"; it must be a whole number/],
      [['--nonsense'], /Unknown option '--nonsense'/],
    ] as const) {
      const { status, stdout, stderr } = run(...args)
      assert.deepEqual([status, stdout], [1, ''])
      assert.match(stderr, sentence)
      assert.doesNotMatch(stderr, /\n {4}at /)
    }
  } finally {
    taken.close()
  }
})
