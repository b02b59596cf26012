// Priorities, filters, namespaces and limits that a server is started with: whatever they are, images are developed, or wait and are not failed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { ApiOverview } from '../../src/api/admin.ts'
import type { ApiError } from '../../src/api/errors.ts'
import { onEachTopology } from '../faults/run/subject.ts'
import { allFinal, ask, eventually, listImages, upload, type SentFile } from '../support/clients/client.ts'
import { query } from '../support/servers/data-dir.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { startServer, type Server } from '../support/servers/server.ts'
import {
  ENVIRONMENTS,
  nice,
  niceWithoutPrivileges,
  own,
  unprivileged,
  WITHOUT_SHARP,
  withProcesses,
  type Environment,
} from './environments.ts'
import { longTest, tellAttack, watch } from './figures.ts'

const LEVELS = [0, 10, 11, 15, 19]
const FILES = 20
const LONG_FILES = 100
/** The longest pause between two starts, and a start beside other load. */
const AGAIN_MS = 30_000

const photographs = async (count: number): Promise<SentFile[]> =>
  (await smallPhotographs(count)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))

const statuses = async (server: { url: string }) =>
  Object.fromEntries([...Map.groupBy(await listImages(server), ({ status }) => status)].map(([status, images]) => [status, images.length]))

const readyz = (server: { url: string }) => ask<ApiError>(server, '/readyz')

onEachTopology((topology, open) => {
  test(`started at nice 15: ${FILES} of ${FILES} completed`, async () => {
    await using subject = await open({ through: nice(15).through })
    assert.equal((await upload(subject, 'batch', await photographs(FILES))).status, 202)
    await allFinal(subject)
    assert.deepEqual(await statuses(subject), { completed: FILES })
    assert.equal((await readyz(subject.processor)).status, 200)
  })

  test('children that cannot be started any more: work waits, /readyz says why, and all goes on by itself', async () => {
    const environment = unprivileged([])
    await using subject = await open({
      through: environment.through,
      env: { SYNC_WAIT_MS: '500' },
      prepare(dataDir) {
        chmodSync(dirname(dataDir), 0o755)
        own(environment, dataDir)
      },
    })
    const files = await photographs(FILES)
    await upload(subject, 'batch', files.slice(0, 2))
    await allFinal(subject)
    const { pid } = subject.processor
    const [, soft, hard] = /^Max processes +(\S+) +(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? []
    const limit = (most = '') => {
      // By its own user: of others', it takes a right that root of a container may not have.
      const [program = '', ...args] = unprivileged(['prlimit', `--pid=${pid}`, `--nproc=${most}:${hard}`]).through
      assert.equal(spawnSync(program, args).status, 0)
    }
    limit('1')
    const [, ...children] = subject.processor.pids()
    for (const child of children) process.kill(child, 'SIGKILL')

    assert.equal((await upload(subject, 'batch', files.slice(2, -1))).status, 202)
    const refused = await eventually('it says that it is not ready', async () => {
      const answer = await readyz(subject.processor)
      return answer.status === 503 && answer
    })
    assert.equal(refused.body.code, 'processing_unavailable')
    assert.match(refused.body.error, /^No image can be processed.*limit of processes and threads.*ulimit -u.*Images wait/)
    assert.equal((await ask(subject.processor, '/healthz')).status, 200)
    assert.equal((await readyz(subject.server)).status, topology === 'embedded' ? 503 : 200)
    const waiting = await upload(subject, 'sync', files.slice(-1))
    assert.deepEqual([waiting.status, waiting.body.image.status], [202, 'pending'])
    assert.deepEqual(await statuses(subject), { pending: FILES - 2, completed: 2 })
    await eventually(
      'administrators see that it has no children',
      async () => (await ask<ApiOverview>(subject, '/api/admin/overview')).body.workers.children === 0,
    )
    const said = subject.processor.output().split('\n')
    assert.equal(said.filter((line) => line.includes('No image can be processed')).length, 1)

    limit(soft)
    await eventually('it is ready again', async () => (await readyz(subject.processor)).status === 200, AGAIN_MS)
    await allFinal(subject)
    assert.deepEqual(await statuses(subject), { completed: FILES })
    const attempts = await query<{ attempts: number }>(subject, 'select distinct attempts from originals')
    assert.deepEqual(
      attempts.map((row) => row.attempts),
      [1],
    )
  })
})

test('started where sharp does not load: it says so, takes what is sent, and develops it once it is mended', async () => {
  await inEnvironment(WITHOUT_SHARP, async (server) => {
    await eventually('it says so', async () => /"level":"error".*No image can be processed.*npm ci/.test(server.output()))
    const refused = await readyz(server)
    assert.deepEqual([refused.status, refused.body.code], [503, 'processing_unavailable'])
    assert.equal((await upload(server, 'batch', await photographs(FILES))).status, 202)
    assert.deepEqual(await statuses(server), { pending: FILES })
    WITHOUT_SHARP.mend(server.pid)
    await eventually('it is ready', async () => (await readyz(server)).status === 200, AGAIN_MS)
    await allFinal(server)
    assert.deepEqual(await statuses(server), { completed: FILES })
  })
})

/** A server in a folder of its own that is not in /tmp. */
async function inEnvironment(environment: Environment, use: (server: Server) => Promise<void>): Promise<void> {
  const folder = mkdtempSync('/var/tmp/calotype-attack-')
  try {
    chmodSync(folder, 0o755)
    const dataDir = join(folder, 'data')
    mkdirSync(dataDir)
    own(environment, dataDir)
    const server = await startServer({ dataDir, through: environment.through, env: { LOG_LEVEL: 'warn', WORKER_CONCURRENCY: '2' } })
    try {
      await use(server)
    } finally {
      if (environment.staysParent) process.kill(serverIn(server), 'SIGTERM')
      assert.equal(await server.stop(), 0)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The process of the server itself, where its command is not the one that was started. */
const serverIn = (server: Server) =>
  server.pids().find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${process.execPath}\0`)) ?? server.pid

function zombiesOf(parent: number): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      // proc(5): state and parent come behind the command in parentheses.
      return stat.slice(stat.lastIndexOf(')') + 2).startsWith(`Z ${parent} `)
    } catch {
      return false
    }
  })
}

async function developIn(t: TestContext, environment: Environment): Promise<void> {
  await inEnvironment(environment, async (server) => {
    const pid = serverIn(server)
    const watched = await watch({ pid, rssMb: (only) => server.rssMb(only), url: server.url }, async () => {
      assert.equal((await upload(server, 'batch', await photographs(LONG_FILES))).status, 202)
      await allFinal(server, 5 * 60_000)
      // Killed, and with their leftovers reaped.
      for (const child of server.pids().filter((one) => one > pid && one !== server.pid)) process.kill(child, 'SIGKILL')
      await eventually('no child is left unreaped', async () => zombiesOf(pid).length === 0)
    })
    const { completed = 0, error = 0 } = await statuses(server)
    tellAttack(t, environment.name, 'embedded', watched, `${environment.name}: ${completed} completed, ${error} failed`)
    assert.deepEqual([completed, error], [LONG_FILES, 0])
  })
}

for (const environment of [...LEVELS.map(nice), ...LEVELS.map(niceWithoutPrivileges), ...ENVIRONMENTS]) {
  longTest(`${LONG_FILES} images: ${environment.name}`, (t) => developIn(t, environment))
}

for (const most of [44, 42, 40, 38, 34, 30]) {
  longTest(`${FILES} images with RLIMIT_NPROC ${most}: completed or waiting, none failed`, async (t) => {
    await inEnvironment(withProcesses(most), async (server) => {
      assert.equal((await upload(server, 'batch', await photographs(FILES))).status, 202)
      await eventually(
        'all are completed, or it says why not',
        async () => (await statuses(server)).completed === FILES || (await readyz(server)).status === 503,
        60_000,
      )
      const { completed = 0, pending = 0, processing = 0, ...others } = await statuses(server)
      tellAttack(
        t,
        `RLIMIT_NPROC ${most}`,
        'embedded',
        null,
        `RLIMIT_NPROC ${most}: ${completed} completed, ${pending + processing} waiting`,
      )
      assert.deepEqual(others, {})
    })
  })
}
