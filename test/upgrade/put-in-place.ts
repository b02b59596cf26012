// Puts what an older version left behind where this one starts on it: a folder, or a database and a bucket of their own.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import pg from 'pg'
import type { TestCluster } from '../support/servers/cluster.ts'
import { change, filesIn, type DataAt } from '../support/servers/data-dir.ts'
import { startServer, type Server } from '../support/servers/server.ts'
import type { Facts, LeftBehind } from './facts.ts'

export const TOPOLOGIES = ['embedded', 'cluster'] as const
export type Topology = (typeof TOPOLOGIES)[number]

/** Names of the folders beside this file, each with what one version left behind. */
export const FIXTURES = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

const pathIn = (fixture: string, file: string) => join(import.meta.dirname, fixture, file)

const readFacts = (fixture: string): Facts => JSON.parse(readFileSync(pathIn(fixture, 'facts.json'), 'utf8')) as Facts

export interface Upgraded extends DataAt {
  readonly facts: LeftBehind
  readonly url: string
  /** What a command needs to work on the same data. */
  readonly env: Record<string, string>
  /** The server, and in a cluster a worker. */
  start(): Promise<void>
  /** In order; gives the exit codes. */
  stop(): Promise<(number | null)[]>
  /** Keys of the originals in the store. */
  originals(): Promise<string[]>
  /** Stops what runs, and takes all of it away. */
  end(): Promise<void>
}

const ENV = { AUTH: 'required', LOG_LEVEL: 'error', BLOB_GRACE_SECONDS: '0', MAX_FILE_BYTES: '1000000', BATCH_TTL_HOURS: '876000' }
const HOUR_MS = 60 * 60_000

/** As if the old version had been killed just now: what ends by itself in a day or a month has not ended. */
const NOT_OVER = `
  update sessions set created_at = :now, last_seen_at = :now, expires_at = :soon;
  update idempotency_keys set created_at = :now;
  update pauses set until_at = :soon`

const stayOver = (at: DataAt) =>
  change(at, NOT_OVER.replaceAll(':now', String(Date.now())).replaceAll(':soon', String(Date.now() + HOUR_MS)))

/** Nothing runs on it yet. `engines`: of a cluster without servers, with an S3 server. */
export async function putInPlace(fixture: string, topology: Topology, engines?: TestCluster): Promise<Upgraded> {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-upgrade-'))
  const atExit = () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 })
  process.once('exit', atExit)
  const remove = async () => {
    process.off('exit', atExit)
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const place = engines ? await putIntoCluster(fixture, dataDir, engines) : await putIntoFolder(fixture, dataDir)
    await stayOver(place.at)
    return upgraded(readFacts(fixture)[topology], place, remove)
  } catch (error) {
    await remove()
    throw error
  }
}

interface Place {
  at: DataAt
  env: Record<string, string>
  originals(): Promise<string[]>
}

function upgraded(facts: LeftBehind, { at, env, originals }: Place, remove: () => Promise<void>): Upgraded {
  let server: Server | undefined
  let worker: Server | undefined
  const stop = async () => {
    const codes = await Promise.all([server, worker].flatMap((one) => one?.stop() ?? []))
    server = worker = undefined
    return codes
  }
  return {
    ...at,
    facts,
    env,
    originals,
    get url() {
      return server!.url
    },
    async start() {
      const options = { env, dataDir: at.dataDir }
      server = await startServer(options)
      if (at.databaseUrl !== undefined) worker = await startServer({ ...options, role: 'worker' })
    },
    stop,
    async end() {
      await stop().finally(remove)
    },
  }
}

const unpack = (archive: string, folder: string) => execFileSync('tar', ['-x', '-z', '-f', archive, '-C', folder])

async function putIntoFolder(fixture: string, dataDir: string): Promise<Place> {
  unpack(pathIn(fixture, 'embedded.tar.gz'), dataDir)
  return { at: { dataDir }, env: { ...ENV, DATA_DIR: dataDir }, originals: () => filesIn(dataDir, 'originals') }
}

let places = 0

async function putIntoCluster(fixture: string, dataDir: string, engines: TestCluster): Promise<Place> {
  const name = `upgrade${++places}`
  const databaseUrl = await makeDatabase(engines, name, gunzipSync(readFileSync(pathIn(fixture, 'cluster.sql.gz'))).toString())
  const s3 = engines.s3!
  const bucket = `${s3.endpoint}/${name}`
  await send(bucket, 'PUT')
  const blobs = join(dataDir, 'blobs')
  await mkdir(blobs)
  unpack(pathIn(fixture, 'cluster.tar.gz'), blobs)
  for (const entry of readdirSync(blobs, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name)
    const key = relative(blobs, path)
    await send(`${bucket}/${key}`, 'PUT', readFileSync(path))
    // They are as old as they were in the bucket of the old version: by its time S3 tells old bytes from new ones.
    const { mtime } = statSync(path)
    utimesSync(join(engines.folder, 's3', name, `${key}._S3rver_object`), mtime, mtime)
  }
  await rm(blobs, { recursive: true })
  const redis = new URL(engines.redisUrl)
  redis.pathname = String(places)
  return {
    at: { dataDir, databaseUrl },
    env: {
      ...ENV,
      DATA_DIR: dataDir,
      DATABASE_URL: databaseUrl,
      REDIS_URL: redis.href,
      S3_ENDPOINT: s3.endpoint,
      S3_BUCKET: name,
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    },
    async originals() {
      const listed = await (await send(`${bucket}?list-type=2&prefix=originals/`, 'GET')).text()
      return [...listed.matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key]) => key!)
    },
  }
}

/** Made from a dump; past the pooler, as the dump sets what would stay with a connection. Gives its address through the pooler. */
async function makeDatabase(engines: TestCluster, name: string, sql: string): Promise<string> {
  const of = (server: string, database: string) => Object.assign(new URL(server), { pathname: database }).href
  const run = async (database: string, statements: string) => {
    const client = new pg.Client({ connectionString: of(engines.directDatabaseUrl, database) })
    await client.connect()
    await client.query(statements).finally(() => client.end())
  }
  await run('postgres', `create database ${name}`)
  await run(name, sql)
  return of(engines.databaseUrl, name)
}

/** s3rver lets everybody do everything. */
async function send(url: string, method: string, body?: Buffer): Promise<Response> {
  const answer = await fetch(url, { method, ...(body && { body: new Uint8Array(body) }) })
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`)
  return answer
}
