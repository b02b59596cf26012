// PostgreSQL at its limit of connections, away, and committing what nobody hears of: nothing is lost, nothing there twice.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { newLedger, sendAll, sendUnit } from '../cluster/ledger.ts'
import { allFinal, ask, eventually, upload, type SentFile } from '../support/clients/client.ts'
import { audit } from '../support/servers/data-dir.ts'
import { declare, described, sendFiles } from '../support/clients/ledger.ts'
import { longTest, ROUNDS } from '../support/long-form.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { assertWell, settle } from './run/figures.ts'
import { onEachTopology } from './run/subject.ts'

const MAX_CONNECTIONS = 12
/** Of the server, and of the worker. */
const POOL = 4
/** The name of the connections that take all there are. */
const HOG = 'hog'
const AWAY_MS = 60_000
const MOST_COMMITS = 60

let seed = 0
async function newFiles(count: number): Promise<SentFile[]> {
  const photographs = await smallPhotographs(count, { seed })
  return photographs.map((bytes) => ({ name: `${seed++}.jpg`, bytes }))
}

/** Passes everything on, but for one commit: PostgreSQL does it, and the connection breaks instead of saying so. */
async function startCuttingProxy(target: URL) {
  const COMMIT = Buffer.from('Q\0\0\0\x0bcommit\0')
  const sockets = new Set<Socket>()
  let left = 0
  const server = createServer((client) => {
    const database = connect(Number(target.port), target.hostname)
    let cutting = false
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        database.destroy()
      })
    }
    client.on('data', (bytes) => {
      if (left > 0 && bytes.includes(COMMIT) && --left === 0) cutting = true
      database.write(bytes)
    })
    database.on('data', (bytes) => (cutting ? client.resetAndDestroy() : client.write(bytes)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(target)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    /** Cuts off the answer to the commit that comes as the `number`th from now. */
    cut: (number: number) => void (left = number),
    /** Whether one is still to come. */
    waits: () => left > 0,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

onEachTopology(
  (topology, open, engines) => {
    async function run(...statements: string[]): Promise<void> {
      const client = new pg.Client({ connectionString: engines().directDatabaseUrl })
      await client.connect()
      for (const statement of statements) await client.query(statement)
      await client.end()
    }

    test('a commit whose answer is lost: taken once, whoever asks again', { timeout: 60 * 60_000 }, async (t) => {
      await run('create database cut')
      await using proxy = await startCuttingProxy(new URL(engines().databaseUrl.replace(/[^/]+$/, 'cut')))
      {
        // The worker goes past it, so that the commits counted are those of the server.
        await using subject = await open({
          env: { DATABASE_URL: engines().databaseUrl.replace(/[^/]+$/, 'cut') },
          envOf: { serve: { DATABASE_URL: proxy.url } },
        })
        let sent = 0
        let cuts = 0
        for (let number = 1; number <= (ROUNDS === null ? 8 : MOST_COMMITS); number++) {
          proxy.cut(number)
          const files = await newFiles(5)
          sent += files.length
          const [single, ...others] = files
          await sendUnit(subject, { endpoint: 'sync', files: [single!] }, subject.ledger)
          await sendUnit(subject, { endpoint: 'async', files: others.slice(0, 2) }, subject.ledger)
          const declared = others.slice(2).map(({ name, bytes }, index) => ({ index, name, bytes: Buffer.from(bytes) }))
          const { id } = await eventually(
            'it is declared',
            () => declare(subject, declared.map(described)).catch(() => false as const),
            30_000,
          )
          const answer = await eventually(
            'it is taken',
            () => sendFiles(subject, id, declared).then((each) => each.status === 202 && each),
            30_000,
          )
          for (const image of answer.body.images) subject.ledger.acknowledged.set(image.id, image.name)
          const isOver = proxy.waits()
          proxy.cut(0)
          if (isOver) break
          cuts++
        }
        t.diagnostic(`${cuts} commits without an answer`)
        assert.ok(cuts > 3)
        assertWell(t, 'a commit whose answer is lost', topology, await settle(subject, { sent }))
      }
    })

    test('no connection is to be had: told when to come back, and on once there is', { timeout: 180_000 }, async (t) => {
      await run(
        `alter system set max_connections = ${MAX_CONNECTIONS}`,
        'alter system set superuser_reserved_connections = 0',
        'create database few',
      )
      await engines().restart('postgres')
      const url = engines().directDatabaseUrl.replace(/[^/]+$/, 'few')
      const hogs: pg.Client[] = []
      async function takeAll(): Promise<void> {
        for (;;) {
          const hog = new pg.Client({ connectionString: url, application_name: HOG })
          hog.on('error', () => {})
          const failure = await hog.connect().then(
            () => null,
            (error: { code?: string }) => error,
          )
          if (failure) return
          hogs.push(hog)
        }
      }
      try {
        await using subject = await open({ env: { DATABASE_URL: url, DATABASE_POOL: String(POOL) } })
        const before = await newFiles(3)
        await sendUnit(subject, { endpoint: 'async', files: before }, subject.ledger)
        await allFinal(subject)
        // Those that the pools keep would do for much that is written together: once they are cut, there is none to be had again.
        const full = await eventually(
          'all connections are taken',
          async () => {
            await takeAll()
            await hogs[0]!.query(
              `select pg_terminate_backend(pid, 1000) from pg_stat_activity
               where datname = 'few' and application_name <> '${HOG}' and state = 'idle'`,
            )
            await takeAll()
            // As many at once as its pool may have: each wants a connection of its own.
            const [file] = await smallPhotographs(1, { seed: 90_000 })
            const answers = await Promise.all(
              Array.from({ length: POOL }, () => upload(subject, 'async', [{ name: 'none.jpg', bytes: file! }])),
            )
            for (const { status, body } of answers) if (status < 500) subject.ledger.acknowledged.set(body.images[0]!.id, 'none.jpg')
            return answers.find(({ status }) => status >= 500) ?? false
          },
          60_000,
        )
        assert.deepEqual([full.status, full.body.code], [503, 'database_unavailable'], full.text)
        assert.ok(Number(full.headers['retry-after']) > 0)
        const taken = [...subject.ledger.acknowledged].filter(([, name]) => name === 'none.jpg').map(([id]) => id)
        const during = await newFiles(12)
        const ledger = newLedger()
        const sending = sendAll(subject, during, ledger)
        await wait(3_000)
        await Promise.all(hogs.splice(0).map((hog) => hog.end()))
        await sending
        for (const [id, name] of ledger.acknowledged) subject.ledger.acknowledged.set(id, name)
        assert.equal(ledger.withoutRetryAfter, 0)
        for (const id of taken) {
          await ask(subject, `/api/images/${id}`, { method: 'DELETE' })
          subject.ledger.acknowledged.delete(id)
        }
        assertWell(t, 'no connection to be had', topology, await settle(subject, { sent: before.length + during.length }))
      } finally {
        await Promise.all(hogs.map((hog) => hog.end()))
        await run('alter system reset max_connections', 'alter system reset superuser_reserved_connections')
        await engines().restart('postgres')
      }
    })

    for (const [what, fault] of [
      ['restarted', () => engines().restart('postgres')],
      [
        `${AWAY_MS / 1000} s away`,
        async () => {
          await engines().kill('postgres')
          await wait(AWAY_MS)
          await engines().start('postgres')
        },
      ],
      [
        'killed',
        () =>
          engines()
            .kill('postgres')
            .then(() => engines().start('postgres')),
      ],
    ] as const) {
      longTest(`PostgreSQL is ${what} in the middle of uploads`, async (t) => {
        await using subject = await open()
        const files = await newFiles(60)
        const sending = sendAll(subject, files, subject.ledger)
        await eventually('some are acknowledged', async () => subject.ledger.acknowledged.size > 10, 60_000)
        await fault()
        await sending
        assert.equal((await audit(subject)).rowsWithoutBytes.length, 0)
        assertWell(t, `PostgreSQL ${what}`, topology, await settle(subject, { sent: files.length }))
      })
    }
  },
  ['cluster'],
)
