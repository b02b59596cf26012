// Malformed files and malformed bodies by the thousand, through the real API, on both topologies: each gets its answer, nobody is harmed,
// nothing stays. The long form: `npm run test:hostile -- --files 10000 --bodies 5000 --seed 1 [--topology cluster]`.
import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseArgs } from 'node:util'
import type { ApiImage } from '../../../src/api/images.ts'
import { ERRORS } from '../../../src/error-codes.ts'
import { allFinal, ask, eventually, upload } from '../../support/clients/client.ts'
import { filesIn, query } from '../../support/servers/data-dir.ts'
import { hostileBodies, sendBody, type RawAnswer } from '../../support/hostile/bodies.ts'
import { type HostileFile, hostileFiles } from '../../support/hostile/files.ts'
import { PAYLOAD } from '../../support/hostile/polyglots.ts'
import { watchOutcomes } from '../../support/hostile/watch-outcomes.ts'
import { watchProcesses } from '../../support/hostile/watch-processes.ts'
import { smallPhotograph } from '../../support/inputs/photographs.ts'
import { onEachTopology, type Calotype } from '../../support/servers/topologies.ts'

const { values } = parseArgs({
  options: {
    files: { type: 'string' },
    bodies: { type: 'string' },
    seed: { type: 'string', default: '1' },
    topology: { type: 'string' },
  },
  strict: false,
})
const TOPOLOGIES = (['embedded', 'cluster'] as const).filter((topology) =>
  [topology, undefined].includes(values.topology as typeof topology),
)
/** What is malformed is so on both: the cluster has a share, for nginx and what is between the processes. */
const SHORT = { embedded: { files: 400, bodies: 300 }, cluster: { files: 100, bodies: 150 } }
const SEED = Number(values.seed)
const FILES_A_REQUEST = 100
const BODIES_AT_ONCE = 8
const DEADLINE_MS = 10_000
const LATE_MS = 1_000
const MEMORY_MB = 128
/** An idle child has 95; while it works the allocator keeps about half as much again (docs/operations.md). */
const CHILD_MB = 175
/** Of a server or worker itself, once the first quarter has passed. */
const MOST_GROWTH_MB = 60

const ENV = {
  PROCESS_TIMEOUT_MS: String(DEADLINE_MS),
  PROCESS_MEMORY_BYTES: String(MEMORY_MB * 1e6),
  UPLOAD_IDLE_TIMEOUT_MS: '5000',
  LOG_LEVEL: 'warn',
  // Left alone, V8 lets garbage lie for as long as there is room, of the young alone 128 MB: what is kept would not be told from it.
  NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=8',
  BLOB_GRACE_SECONDS: '0',
  EVENT_HISTORY: '1000',
  MAX_PIXELS: '5000000',
}

onEachTopology(
  ENV,
  (calotype) => {
    const short = SHORT[calotype.topology]
    const [files, bodies] = [Number(values.files ?? short.files), Number(values.bodies ?? short.bodies)]
    test(`${files} malformed files`, { timeout: 60 * 60_000 }, () => sendFiles(calotype, files))
    test(`${bodies} malformed bodies`, { timeout: 60 * 60_000 }, () => sendBodies(calotype, bodies))
  },
  TOPOLOGIES,
)

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

/** Counts by name. */
function newTally() {
  const counts: Record<string, number> = {}
  return { counts, add: (name: string) => (counts[name] = (counts[name] ?? 0) + 1) }
}

const inMb = (memory: Map<string, number>) => [...memory].map(([name, mb]) => `${name} ${mb.toFixed(0)}`).join(', ')
const noTemporaryFile = ({ dataDir }: Calotype) =>
  eventually('no temporary file is left', async () => (await filesIn(dataDir, 'tmp')).length === 0, 15_000)
const countImages = async (calotype: Calotype) => (await query<{ n: number }>(calotype, 'select count(*) as n from images'))[0]!.n

async function sendFiles(calotype: Calotype, count: number): Promise<void> {
  const fileAt = await hostileFiles(SEED)
  const processes = watchProcesses(await calotype.processes())
  const outcomes = watchOutcomes(calotype)
  const [codes, answers] = [newTally(), newTally()]
  let [taken, rejected, quarterMb] = [0, 0, new Map<string, number>()]
  const startedAt = performance.now()
  try {
    for (let from = 0; from < count; from += FILES_A_REQUEST) {
      const files: HostileFile[] = Array.from({ length: Math.min(FILES_A_REQUEST, count - from) }, (_, index) => fileAt(from + index))
      const { status, body, text } = await upload(calotype, 'batch', files)
      answers.add(String(status))
      if (!(status === 202 || (status >= 400 && status < 500))) assert.fail(`${status} ${text.slice(0, 300)}; ${await keep(files)}`)
      taken += body.images?.length ?? 0
      rejected += body.rejected?.length ?? 0
      for (const { code } of body.rejected ?? []) codes.add(code)
      await assertFinal(calotype, files, codes.add)
      if (from <= count / 4) quarterMb = processes.serversMb()
      const done = from + files.length
      if (done % 1_000 === 0) console.log(`  ${done} of ${count}, MB: ${inMb(processes.serversMb())}`)
    }
  } finally {
    await outcomes.stop()
    processes.stop()
  }
  await noTemporaryFile(calotype)
  const [endMb, silenceMs, childMb] = [processes.serversMb(), outcomes.longestSilenceMs(), processes.childPeakMb()]
  print(`${calotype.topology}, ${count} malformed files, seed ${SEED}`, {
    answers: JSON.stringify(answers.counts),
    'taken + rejected': `${taken} + ${rejected} = ${taken + rejected}`,
    rows: await countImages(calotype),
    ...codes.counts,
    'children, peak MB': `${processes.children()}, ${childMb.toFixed(0)} (of ${CHILD_MB + MEMORY_MB})`,
    'longest without an outcome, ms': `${silenceMs.toFixed(0)} (of ${DEADLINE_MS + LATE_MS})`,
    'MB after a quarter': inMb(quarterMb),
    'MB at the end': inMb(endMb),
    'temporary files': (await filesIn(calotype.dataDir, 'tmp')).length,
    seconds: ((performance.now() - startedAt) / 1000).toFixed(0),
  })
  assert.equal(taken + rejected, count)
  assert.equal(await countImages(calotype), taken)
  assert.ok(childMb <= CHILD_MB + MEMORY_MB, `a child took ${childMb} MB; seed ${SEED}`)
  assert.ok(silenceMs <= DEADLINE_MS + LATE_MS, `no outcome for ${silenceMs} ms; seed ${SEED}`)
  for (const [name, mb] of endMb) {
    const grownMb = mb - quarterMb.get(name)!
    assert.ok(grownMb <= MOST_GROWTH_MB, `${name} grew by ${grownMb} MB`)
  }
  await assertWell(calotype)
}

/** Of one request: every row ends, an error has a code that is the file's own fault, what was developed has nothing of a polyglot. */
async function assertFinal(calotype: Calotype, files: HostileFile[], add: (code: string) => void): Promise<void> {
  const newest = await eventually(
    'every image is final',
    async () => {
      const images = (await ask<ApiImage[]>(calotype, `/api/images?limit=${FILES_A_REQUEST}`)).body
      return images.every(({ status }) => status === 'completed' || status === 'error') && images
    },
    FILES_A_REQUEST * DEADLINE_MS,
  )
  const byName = new Map(files.map((file) => [file.name, file]))
  for (const image of newest) {
    const file = byName.get(image.name)
    if (!file) continue
    add(image.status === 'completed' ? 'completed' : (image.code ?? 'none'))
    if (image.status === 'error') {
      if (!image.code || !(image.code in ERRORS) || image.code === 'internal')
        assert.fail(`${image.name} ended in ${image.code}; ${await keep([file])}`)
    } else if (file.polyglot) {
      const response = await fetch(calotype.url + image.image)
      assert.match(response.headers.get('content-type') ?? '', /^image\//)
      const developed = Buffer.from(await response.arrayBuffer())
      if (developed.includes(PAYLOAD) || developed.includes('PK\x03\x04'))
        assert.fail(`${image.name} kept its payload; ${await keep([file])}`)
    }
  }
}

/** What nginx refuses by itself, in a shape of its own; 501 is what it says of a transfer coding it does not know. */
const isOfNginx = ({ status, json, text }: RawAnswer) =>
  json === null && ((status >= 400 && status < 500) || status === 501) && text.includes('<center>nginx</center>')

/** A success, or a refusal of the client's fault in our shape. */
const isOurs = ({ status, json }: RawAnswer) =>
  (status >= 200 && status < 300) ||
  (status >= 400 && status < 500 && json?.code !== undefined && json.code in ERRORS && Boolean(json.error))

async function sendBodies(calotype: Calotype, count: number): Promise<void> {
  const bodyAt = hostileBodies(SEED, await Promise.all([1, 2, 3].map((seed) => smallPhotograph({ seed }))))
  const processes = watchProcesses(await calotype.processes())
  const before = { rows: await countImages(calotype), mb: processes.serversMb() }
  const answers = newTally()
  const acknowledged = new Set<string>()
  let [next, closed] = [0, 0]
  async function send() {
    for (let index = next++; index < count; index = next++) {
      const body = bodyAt(index)
      const outcome = await sendBody(calotype.url, body)
      const kept = () => keep([{ name: `${index}-${body.name}.http`, bytes: body.bytes }])
      for (const answer of outcome.answers) {
        const ofNginx = calotype.topology === 'cluster' && isOfNginx(answer)
        answers.add(`${answer.status} ${ofNginx ? '(nginx)' : (answer.json?.code ?? '')}`.trim())
        if (!ofNginx && !isOurs(answer)) assert.fail(`${body.name}: ${answer.status} ${answer.text.slice(0, 200)}; ${await kept()}`)
        for (const image of answer.json?.images ?? []) acknowledged.add(image.id)
      }
      if (outcome.answers.length > 0) continue
      if (!outcome.closed) assert.fail(`${body.name}: neither an answer nor an end; ${await kept()}`)
      closed++
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: BODIES_AT_ONCE }, send)).finally(processes.stop)
  await allFinal(calotype)
  await noTemporaryFile(calotype)
  const rows = await query<{ id: string }>(calotype, 'select id from images')
  const unacknowledged = rows.length - before.rows - acknowledged.size
  print(`${calotype.topology}, ${count} malformed bodies, seed ${SEED}`, {
    ...answers.counts,
    'closed without an answer': closed,
    'images acknowledged': acknowledged.size,
    'rows without acknowledgement': unacknowledged,
    'MB before': inMb(before.mb),
    'MB after': inMb(processes.serversMb()),
    'children, peak MB': `${processes.children()}, ${processes.childPeakMb().toFixed(0)}`,
    'temporary files': (await filesIn(calotype.dataDir, 'tmp')).length,
    seconds: ((performance.now() - startedAt) / 1000).toFixed(0),
  })
  const ids = new Set(rows.map(({ id }) => id))
  assert.deepEqual(
    [...acknowledged].filter((id) => !ids.has(id)),
    [],
    'acknowledged, and not there',
  )
  // Who hung up before a busy server had answered was told nothing of what it had taken by then.
  if (closed === 0) assert.equal(unacknowledged, 0, `rows nobody was told of; seed ${SEED}`)
  assert.deepEqual(await query(calotype, 'select id from batches where received_at is null'), [])
  await assertWell(calotype)
}

async function assertWell(calotype: Calotype): Promise<void> {
  assert.equal((await ask(calotype, '/healthz')).status, 200)
  assert.equal((await upload(calotype, 'sync', [{ name: 'a.jpg', bytes: await smallPhotograph({ seed: 9 }) }])).status, 200)
  assert.doesNotMatch(calotype.log(), /"level":"(error|fatal)"/)
}
