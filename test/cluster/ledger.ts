// The client of the fault tests: uploads through nginx until each is acknowledged, keeps a ledger of that, and settles it with the rows.
import { randomUUID } from 'node:crypto'
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import type { ApiImage } from '../../src/api/images.ts'
import {
  END_OF_PARTS,
  ENDPOINTS,
  eventually,
  listImages,
  part,
  post,
  upload,
  type Endpoint,
  type SentFile,
} from '../support/clients/client.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'

/** Between two files of a batch: it is recorded in several transactions then, so that a fault finds it half recorded. */
const BATCH_PAUSE_MS = 60
const BATCH_FILES = 10
const SINGLE_PAUSE_MS = 20
/** After an answer without Retry-After, or none. */
const RETRY_MS = 500

export interface Ledger {
  /** Ids and names of the images that were acknowledged. */
  acknowledged: Map<string, string>
  /** What was answered instead, and how often: `503 overloaded`, or `cut off`. */
  refused: Map<string, number>
  /** Of one upload, with its repeats, until it was acknowledged. */
  longestMs: number
  /** 429 and 503 that did not say when to come back. */
  withoutRetryAfter: number
}

/** Its acknowledgements are lines of a file, too, each synced before the client goes on. */
class SyncedMap extends Map<string, string> {
  readonly #file: number

  constructor(path: string) {
    super()
    this.#file = openSync(path, 'a')
  }

  override set(id: string, name: string): this {
    writeSync(this.#file, `${id} ${name}\n`)
    fdatasyncSync(this.#file)
    return super.set(id, name)
  }
}

/** With a path, it is kept there as well. */
export const newLedger = (path?: string): Ledger => ({
  acknowledged: path === undefined ? new Map() : new SyncedMap(path),
  refused: new Map(),
  longestMs: 0,
  withoutRetryAfter: 0,
})

/** One upload. */
export interface Unit {
  endpoint: Endpoint
  files: SentFile[]
}

/** Small photographs whose names begin with a mark, the same for no other mark. */
export async function markedFiles(mark: string, count: number, seed: number): Promise<SentFile[]> {
  return (await smallPhotographs(count, { seed })).map((bytes, index) => ({ name: `${mark}-${index}.jpg`, bytes }))
}

/** A third one by one to each of the endpoints of single images, the others in batches that take their time; in no order. */
function toUnits(files: SentFile[]): Unit[] {
  const third = Math.floor(files.length / 3)
  const single = (endpoint: Endpoint) => (file: SentFile) => ({ endpoint, files: [file] })
  const batches: Unit[] = []
  for (let at = 2 * third; at < files.length; at += BATCH_FILES)
    batches.push({ endpoint: 'batch', files: files.slice(at, at + BATCH_FILES) })
  return [...files.slice(0, third).map(single('sync')), ...files.slice(third, 2 * third).map(single('async')), ...batches]
}

async function* slowly(files: SentFile[]) {
  for (const { name, bytes } of files) {
    yield part('images', name, bytes)
    await wait(BATCH_PAUSE_MS)
  }
  yield END_OF_PARTS
}

/** Sends one upload again and again, under the same Idempotency-Key, until it is acknowledged. Rejects at any other refusal. */
export async function sendUnit(server: { url: string }, { endpoint, files }: Unit, ledger: Ledger): Promise<void> {
  const key = randomUUID()
  const startedAt = performance.now()
  const note = (what: string) => ledger.refused.set(what, (ledger.refused.get(what) ?? 0) + 1)
  for (;;) {
    const answer = await (
      endpoint === 'batch'
        ? post(server, { path: ENDPOINTS.batch.path, headers: { 'idempotency-key': key }, body: slowly(files) })
        : upload(server, endpoint, files, { key })
    ).catch(() => null)
    if (answer === null) {
      note('cut off')
      await wait(RETRY_MS)
      continue
    }
    const { status, headers, body, text } = answer
    // 422: taken, and failed with its reason.
    if ((status === 200 || status === 202 || status === 422) && (body.images ?? body.image)) {
      for (const image of body.images ?? [body.image]) ledger.acknowledged.set(image.id, image.name)
      ledger.longestMs = Math.max(ledger.longestMs, performance.now() - startedAt)
      return
    }
    const retryAfter = headers['retry-after']
    if (status < 500 && status !== 429 && retryAfter === undefined) throw new Error(`Refused for good: ${status} ${text}`)
    note(`${status} ${body?.code ?? text}`)
    if ((status === 429 || status === 503) && retryAfter === undefined) ledger.withoutRetryAfter += 1
    await wait(retryAfter === undefined ? RETRY_MS : Number(retryAfter) * 1_000)
  }
}

/** Sends all, by two senders for each endpoint. Resolves when everything is acknowledged. */
export async function sendAll(server: { url: string }, files: SentFile[], ledger: Ledger): Promise<void> {
  const units = toUnits(files)
  async function send(own: Unit[]) {
    for (let next = own.shift(); next; next = own.shift()) {
      await sendUnit(server, next, ledger)
      await wait(SINGLE_PAUSE_MS)
    }
  }
  const queues = (['sync', 'async', 'batch'] as const).map((endpoint) => units.filter((unit) => unit.endpoint === endpoint))
  await Promise.all([...queues, ...queues].map(send))
}

export interface Settled {
  sent: number
  acknowledged: number
  completed: number
  failed: number
  lost: number
  duplicated: number
  stuck: number
  /** Failed, and nothing says why. */
  withoutReason: number
  /** Uploads of which only a part is there, or that are neither acknowledged nor undone. */
  unfinished: number
}

/** What became of the files of a mark, compared with what was acknowledged. */
async function settle(server: { url: string }, databaseUrl: string, mark: string, sent: number, ledger: Ledger): Promise<Settled> {
  const images = (await listImages(server)).filter(({ name }) => name.startsWith(`${mark}-`))
  const byId = new Map(images.map((image) => [image.id, image]))
  const names = Map.groupBy(images, ({ name }) => name)
  const has = (...statuses: ApiImage['status'][]) => images.filter(({ status }) => statuses.includes(status))
  const open = await query(databaseUrl, 'select id from batches where received_at is null')
  return {
    sent,
    acknowledged: ledger.acknowledged.size,
    completed: has('completed').length,
    failed: has('error').length,
    lost: [...ledger.acknowledged].filter(([id, name]) => byId.get(id)?.name !== name).length,
    duplicated: [...names.values()].filter(({ length }) => length > 1).length,
    stuck: has('pending', 'processing').length,
    withoutReason: has('error').filter(({ error, code }) => !error || !code).length,
    unfinished: open.length,
  }
}

/** Settles again and again until all is well or the time is over; gives the last. */
export async function settleWithin(
  server: { url: string },
  databaseUrl: string,
  mark: string,
  sent: number,
  ledger: Ledger,
  timeoutMs: number,
): Promise<Settled> {
  let last: Settled | undefined
  await eventually(
    `the uploads of ${mark} are settled`,
    async () => {
      last = await settle(server, databaseUrl, mark, sent, ledger)
      await wait(100)
      return isWell(last)
    },
    timeoutMs,
  ).catch((error: unknown) => {
    if (last === undefined) throw error
  })
  return last!
}

export const isWell = (s: Settled) =>
  s.sent === s.acknowledged &&
  s.acknowledged === s.completed + s.failed &&
  s.lost + s.duplicated + s.stuck + s.withoutReason + s.unfinished === 0

/** One query, over a connection of its own. */
export async function query<Row extends pg.QueryResultRow>(url: string, sql: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(sql, values)).rows
  } finally {
    await client.end()
  }
}

/** `completed 299, failed 1`. */
export const figures = (counts: object) =>
  Object.entries(counts)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ')
