// Malformed files and malformed bodies by the thousand, through the real API of a real server: each gets its answer, nobody is harmed,
// nothing stays. The long form: `npm run test:hostile -- --files 10000 --bodies 5000 --seed 1`. Embedded alone: it watches processes.
import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { ApiImage } from '../../src/api.ts'
import { ERRORS } from '../../src/errors.ts'
import { allFinal, ask, eventually, upload } from '../support/client.ts'
import { filesIn, query } from '../support/data-dir.ts'
import { hostileBodies, sendBody } from '../support/hostile/bodies.ts'
import { type HostileFile, hostileFiles } from '../support/hostile/files.ts'
import { PAYLOAD } from '../support/hostile/polyglots.ts'
import { watchProcesses } from '../support/hostile/watch-processes.ts'
import { smallPhotograph } from '../support/photographs.ts'
import { startServer, type Server } from '../support/server.ts'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '400' },
    bodies: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
  },
  strict: false,
})
const [FILES, BODIES, SEED] = [Number(values.files), Number(values.bodies), Number(values.seed)]
const FILES_A_REQUEST = 100
const BODIES_AT_ONCE = 8
const DEADLINE_MS = 10_000
const LATE_MS = 1_000
const MEMORY_MB = 128
/** An idle child has 95; while it works the allocator keeps about half as much again (docs/operations.md). */
const CHILD_MB = 175
/** Of the server itself, once the first quarter has passed. */
const MOST_GROWTH_MB = 60

let server: Server
before(async () => {
  const env = {
    PROCESS_TIMEOUT_MS: String(DEADLINE_MS),
    PROCESS_MEMORY_BYTES: String(MEMORY_MB * 1e6),
    UPLOAD_IDLE_TIMEOUT_MS: '5000',
    LOG_LEVEL: 'warn',
    // Left alone, V8 lets garbage lie for as long as there is room: what is kept would not be told from it.
    NODE_OPTIONS: '--max-old-space-size=64',
  }
  server = await startServer({ env: { ...env, BLOB_GRACE_SECONDS: '0', EVENT_HISTORY: '1000', MAX_PIXELS: '5000000' } })
})
after(() => server?.stop())

/** Keeps what a failure needs to be seen again, and says where. */
async function keep(files: { name: string; bytes: Uint8Array }[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `calotype-hostile-${SEED}-`))
  for (const { name, bytes } of files) await writeFile(join(folder, name), bytes)
  return `seed ${SEED}; kept in ${folder}`
}

function print(title: string, rows: Record<string, string | number>) {
  const width = Math.max(...Object.keys(rows).map((name) => name.length))
  console.log([title, ...Object.entries(rows).map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)].join('\n'))
}

const noTemporaryFile = () =>
  eventually('no temporary file is left', async () => (await filesIn(server.dataDir, 'tmp')).length === 0, 15_000)
const count = async (table: string) => (await query<{ n: number }>(server, `select count(*) as n from ${table}`))[0]!.n

test(`${FILES} malformed files`, { timeout: 60 * 60_000 }, async () => {
  const fileAt = await hostileFiles(SEED)
  const processes = watchProcesses(server)
  const codes: Record<string, number> = {}
  const add = (code: string) => (codes[code] = (codes[code] ?? 0) + 1)
  const statuses = new Set<number>()
  let [taken, rejected, quarterMb, silenceMs] = [0, 0, 0, 0]
  let [outcomeAt, outcomes] = [performance.now(), 0]
  /** How long no image ended although some waited: with as many children as cores, none can be late for longer. */
  const notice = async () => {
    const done = (await query<{ n: number }>(server, `select count(*) as n from developments where status in ('completed', 'error')`))[0]!.n
    const waiting = (
      await query<{ n: number }>(server, `select count(*) as n from developments where status in ('pending', 'processing')`)
    )[0]!.n
    if (done !== outcomes || waiting === 0) outcomeAt = performance.now()
    outcomes = done
    silenceMs = Math.max(silenceMs, performance.now() - outcomeAt)
  }
  let watching = true
  const noticing = (async () => {
    for (; watching; await wait(100)) await notice()
  })()
  const startedAt = performance.now()
  try {
    for (let from = 0; from < FILES; from += FILES_A_REQUEST) {
      const files: HostileFile[] = Array.from({ length: Math.min(FILES_A_REQUEST, FILES - from) }, (_, index) => fileAt(from + index))
      const { status, body, text } = await upload(server, 'batch', files)
      statuses.add(status)
      if (!(status === 202 || (status >= 400 && status < 500))) assert.fail(`${status} ${text.slice(0, 300)}; ${await keep(files)}`)
      taken += body.images?.length ?? 0
      rejected += body.rejected?.length ?? 0
      for (const { code } of body.rejected ?? []) add(code)
      await assertFinal(files, add)
      if (from <= FILES / 4) quarterMb = server.rssMb(server.pid)
      const done = from + files.length
      if (done % 1_000 === 0) console.log(`  ${done} of ${FILES}, server ${server.rssMb(server.pid).toFixed(0)} MB`)
    }
  } finally {
    watching = false
    await noticing
    processes.stop()
  }
  await noTemporaryFile()
  const endMb = server.rssMb(server.pid)
  print(`${FILES} malformed files, seed ${SEED}`, {
    answers: [...statuses].sort().join(', '),
    'taken + rejected': `${taken} + ${rejected} = ${taken + rejected}`,
    rows: await count('images'),
    ...codes,
    'children, peak MB': `${processes.children()}, ${processes.childPeakMb().toFixed(0)} (of ${CHILD_MB + MEMORY_MB})`,
    'longest without an outcome, ms': `${silenceMs.toFixed(0)} (of ${DEADLINE_MS + LATE_MS})`,
    'server MB, after a quarter, at the end': `${quarterMb.toFixed(0)}, ${endMb.toFixed(0)}`,
    'temporary files': (await filesIn(server.dataDir, 'tmp')).length,
    seconds: ((performance.now() - startedAt) / 1000).toFixed(0),
  })
  assert.equal(taken + rejected, FILES)
  assert.equal(await count('images'), taken)
  assert.ok(processes.childPeakMb() <= CHILD_MB + MEMORY_MB, `a child took ${processes.childPeakMb()} MB; seed ${SEED}`)
  assert.ok(silenceMs <= DEADLINE_MS + LATE_MS, `no outcome for ${silenceMs} ms; seed ${SEED}`)
  assert.ok(endMb - quarterMb <= MOST_GROWTH_MB, `the server grew by ${endMb - quarterMb} MB`)
  await assertWell()
})

/** Of one request: every row ends, an error has a code that is the file's own fault, what was developed has nothing of a polyglot. */
async function assertFinal(files: HostileFile[], add: (code: string) => void): Promise<void> {
  await eventually(
    'every image is final',
    async () => {
      for (const status of ['pending', 'processing']) {
        if ((await ask<ApiImage[]>(server, `/api/images?status=${status}&limit=1`)).body.length > 0) return false
      }
      return true
    },
    FILES_A_REQUEST * DEADLINE_MS,
  )
  const newest = (await ask<ApiImage[]>(server, `/api/images?limit=${FILES_A_REQUEST}`)).body
  const byName = new Map(files.map((file) => [file.name, file]))
  for (const image of newest) {
    const file = byName.get(image.name)
    if (!file) continue
    add(image.status === 'completed' ? 'completed' : (image.code ?? 'none'))
    if (image.status === 'error') {
      if (!image.code || !(image.code in ERRORS) || image.code === 'internal')
        assert.fail(`${image.name} ended in ${image.code}; ${await keep([file])}`)
    } else if (file.polyglot) {
      const response = await fetch(server.url + image.image)
      assert.match(response.headers.get('content-type') ?? '', /^image\//)
      const developed = Buffer.from(await response.arrayBuffer())
      if (developed.includes(PAYLOAD) || developed.includes('PK\x03\x04'))
        assert.fail(`${image.name} kept its payload; ${await keep([file])}`)
    }
  }
}

test(`${BODIES} malformed bodies`, { timeout: 60 * 60_000 }, async () => {
  const bodyAt = hostileBodies(SEED, await Promise.all([1, 2, 3].map((seed) => smallPhotograph({ seed }))))
  const before = { rows: await count('images'), mb: server.rssMb(server.pid) }
  const answers: Record<string, number> = {}
  const acknowledged = new Set<string>()
  let next = 0
  async function send() {
    for (let index = next++; index < BODIES; index = next++) {
      const body = bodyAt(index)
      const outcome = await sendBody(server.url, body)
      const kept = () => keep([{ name: `${index}-${body.name}.http`, bytes: body.bytes }])
      for (const answer of outcome.answers) {
        const name = `${answer.status} ${answer.json?.code ?? ''}`.trim()
        answers[name] = (answers[name] ?? 0) + 1
        if (answer.status >= 500 || answer.status < 200) assert.fail(`${body.name}: ${name}; ${await kept()}`)
        if (answer.status >= 400 && !(answer.json?.code && answer.json.code in ERRORS && answer.json.error))
          assert.fail(`${body.name}: not our shape: ${answer.text.slice(0, 200)}; ${await kept()}`)
        for (const image of answer.json?.images ?? []) acknowledged.add(image.id)
      }
      if (outcome.answers.length === 0) {
        if (!outcome.closed) assert.fail(`${body.name}: neither an answer nor an end; ${await kept()}`)
        answers['closed without an answer'] = (answers['closed without an answer'] ?? 0) + 1
      }
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: BODIES_AT_ONCE }, send))
  await allFinal(server)
  await noTemporaryFile()
  const rows = await query<{ id: string }>(server, 'select id from images')
  const unacknowledged = rows.length - before.rows - acknowledged.size
  print(`${BODIES} malformed bodies, seed ${SEED}`, {
    ...answers,
    'images acknowledged': acknowledged.size,
    'rows without acknowledgement': unacknowledged,
    'server MB, before, after': `${before.mb.toFixed(0)}, ${server.rssMb(server.pid).toFixed(0)}`,
    'temporary files': (await filesIn(server.dataDir, 'tmp')).length,
    seconds: ((performance.now() - startedAt) / 1000).toFixed(0),
  })
  const ids = new Set(rows.map(({ id }) => id))
  assert.deepEqual(
    [...acknowledged].filter((id) => !ids.has(id)),
    [],
    'acknowledged, and not there',
  )
  // Who hung up before a busy server had answered was told nothing of what it had taken by then.
  if (!('closed without an answer' in answers)) assert.equal(unacknowledged, 0, `rows nobody was told of; seed ${SEED}`)
  assert.deepEqual(await query(server, 'select id from batches where received_at is null'), [])
  await assertWell()
})

async function assertWell(): Promise<void> {
  assert.equal((await ask(server, '/healthz')).status, 200)
  assert.equal((await upload(server, 'sync', [{ name: 'a.jpg', bytes: await smallPhotograph({ seed: 9 }) }])).status, 200)
  assert.doesNotMatch(server.output(), /"level":"(error|fatal)"/)
}
