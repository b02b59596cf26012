// `npm run upgrade-fixture -- REVISION NAME`: has the version of a commit make data, embedded and as a cluster, and keeps what it leaves
// behind, with what it said of it, in test/upgrade/NAME/.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { StartError } from '../src/errors.ts'
import { startCluster } from '../test/support/servers/cluster.ts'
import type { startServer } from '../test/support/servers/server.ts'
import type { Facts } from '../test/upgrade/facts.ts'
import { findPrograms } from './cluster/programs.ts'
import { leaveBehind, type OldServer } from './upgrade/left-behind.ts'

const HELP = `npm run upgrade-fixture -- REVISION NAME: what the version of a commit leaves behind when it is killed, for test/upgrade/.

  REVISION  a commit of this repository
  NAME      of the folder below test/upgrade/ that is made; one that is there is made anew`

const ROOT = join(import.meta.dirname, '..')
/** Of all files of a fixture together: it is in the repository for good. */
const MAX_BYTES = 500_000
/** What would run out, or be collected, before the fixture is made; and one child, which is frozen with one image in hand. */
const ENV = {
  AUTH: 'required',
  LOG_LEVEL: 'warn',
  WORKER_CONCURRENCY: '1',
  PROCESS_TIMEOUT_MS: '600000',
  BLOB_GRACE_SECONDS: '86400',
  // A hundred years: the fixture is to be of use for as long.
  BATCH_TTL_HOURS: '876000',
}

type StartServer = typeof startServer
type Server = Awaited<ReturnType<StartServer>>

const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, maxBuffer: 1024 * 1024 * 1024 })

function readOptions(): { revision: string; name: string } {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean', default: false } } })
    if (values.help) {
      console.log(HELP)
      process.exit(0)
    }
    const [revision, name, more] = positionals
    if (revision === undefined || name === undefined || more !== undefined) throw new Error('It takes a commit and a name.')
    if (!/^[a-z0-9][a-z0-9.-]*$/.test(name))
      throw new Error(`The name is "${name}"; it must be of lower-case letters, digits, "." and "-".`)
    const commit = spawnSync('git', ['rev-parse', '--verify', '--quiet', `${revision}^{commit}`], { cwd: ROOT, encoding: 'utf8' })
    if (commit.status !== 0) throw new Error(`There is no commit ${revision}.`)
    return { revision: commit.stdout.trim(), name }
  } catch (error) {
    throw new StartError(`${(error as Error).message}\n\n${HELP}`)
  }
}

/** The tree of that commit, with the packages it wants: those of this clone, if they are the same. */
function checkOut(revision: string, folder: string): void {
  mkdirSync(folder)
  execFileSync('tar', ['-x', '-C', folder], { input: git('archive', revision) })
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  if (lock === readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  else execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] })
}

const childrenOf = (processor: Server) => processor.pids().filter((pid) => pid !== processor.pid)

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Frozen children would outlive their server: they do not hear that it is gone. */
const frozen = new Set<number>()
process.once('exit', () => frozen.forEach(kill))

const oldServer = (server: Server, processor: Server): OldServer => ({
  url: server.url,
  output: () => server.output(),
  freeze() {
    for (const pid of childrenOf(processor)) {
      process.kill(pid, 'SIGSTOP')
      frozen.add(pid)
    }
  },
})

/** At once, and who develops before its frozen children: it would record that they are gone. */
async function killAll(processor: Server, server: Server): Promise<void> {
  for (const pid of [processor.pid, server.pid, ...childrenOf(processor), ...frozen]) kill(pid)
  frozen.clear()
  await Promise.all([processor.kill('SIGKILL'), server.kill('SIGKILL')])
}

/** With times to the millisecond, which tell bytes that were stored before a row from those that came after it. */
const pack = (folder: string, to: string) => execFileSync('tar', ['-c', '-z', '--format=posix', '-f', to, '-C', folder, '.'])

async function makeEmbedded(start: StartServer, place: string, fixture: string): Promise<Facts['embedded']> {
  const dataDir = join(place, 'data')
  const server = await start({ env: ENV, dataDir })
  const facts = await leaveBehind(oldServer(server, server)).finally(() => killAll(server, server))
  const file = join(dataDir, 'calotype.sqlite')
  const database = new DatabaseSync(file)
  database.exec('pragma wal_checkpoint(truncate)')
  database.close()
  for (const beside of ['-wal', '-shm']) rmSync(file + beside, { force: true })
  pack(dataDir, join(fixture, 'embedded.tar.gz'))
  return facts
}

async function makeCluster(start: StartServer, place: string, fixture: string): Promise<Facts['cluster']> {
  const engines = await startCluster({ api: 0, workers: 0, s3: true })
  try {
    const s3 = engines.s3!
    const env = {
      ...ENV,
      DATABASE_URL: engines.databaseUrl,
      REDIS_URL: engines.redisUrl,
      S3_ENDPOINT: s3.endpoint,
      S3_BUCKET: s3.bucket,
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    }
    const dataDir = join(place, 'staging')
    const server = await start({ env, dataDir })
    const worker = await start({ env, dataDir, role: 'worker' })
    const facts = await leaveBehind(oldServer(server, worker)).finally(() => killAll(worker, server))
    writeFileSync(join(fixture, 'cluster.sql.gz'), gzipSync(dump(engines.directDatabaseUrl), { level: 9 }))
    const blobs = join(place, 'blobs')
    await fetchBlobs(s3, blobs)
    pack(blobs, join(fixture, 'cluster.tar.gz'))
    return facts
  } finally {
    await engines.stop()
  }
}

/** As statements that any client can run, without what only the newest versions of psql and of the server know. */
function dump(databaseUrl: string): string {
  const program = join(dirname(findPrograms(console.error).postgres), 'pg_dump')
  const args = ['--inserts', '--no-owner', '--no-privileges', '--no-comments', databaseUrl]
  const sql = execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1024 * 1024 * 1024 })
  return sql.replaceAll(/^(?:\\(?:un)?restrict |SET transaction_timeout ).*\n/gm, '')
}

/** All of the bucket, each object as a file by its key, from the time that S3 has of it. */
async function fetchBlobs({ bucket, accessKeyId, secretAccessKey, ...settings }: S3, folder: string): Promise<void> {
  const client = new S3Client({ ...settings, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } })
  const { Contents = [], IsTruncated } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
  if (IsTruncated) throw new Error('The bucket has more objects than a small fixture would.')
  for (const { Key, LastModified } of Contents) {
    const path = join(folder, Key!)
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, await Body!.transformToByteArray())
    utimesSync(path, LastModified!, LastModified!)
  }
  client.destroy()
}

type S3 = NonNullable<Awaited<ReturnType<typeof startCluster>>['s3']>

async function main(): Promise<void> {
  const { revision, name } = readOptions()
  const place = mkdtempSync(join(tmpdir(), 'calotype-upgrade-'))
  process.once('exit', () => rmSync(place, { recursive: true, force: true, maxRetries: 5 }))
  const tree = join(place, 'tree')
  checkOut(revision, tree)
  // Its own, which starts the code beside it.
  const { startServer: start } = (await import(join(tree, 'test/support/servers/server.ts'))) as { startServer: StartServer }
  const made = join(place, 'made')
  mkdirSync(made)
  console.log('embedded…')
  const embedded = await makeEmbedded(start, place, made)
  console.log('as a cluster…')
  const cluster = await makeCluster(start, place, made)
  const facts: Facts = { revision, embedded, cluster }
  writeFileSync(join(made, 'facts.json'), `${JSON.stringify(facts, null, 2)}\n`)

  const sizes = new Map(
    ['embedded.tar.gz', 'cluster.tar.gz', 'cluster.sql.gz', 'facts.json'].map((file) => [file, readFileSync(join(made, file))]),
  )
  const total = [...sizes.values()].reduce((sum, { length }) => sum + length, 0)
  if (total > MAX_BYTES) throw new StartError(`The fixture has ${total} bytes; it must not have more than ${MAX_BYTES}.`)
  const fixture = join(ROOT, 'test/upgrade', name)
  rmSync(fixture, { recursive: true, force: true })
  mkdirSync(fixture)
  for (const [file, bytes] of sizes) {
    writeFileSync(join(fixture, file), bytes)
    console.log(`${file} ${bytes.length} bytes, SHA-256 ${createHash('sha256').update(bytes).digest('hex')}`)
  }
  console.log(`${embedded.images.length} and ${cluster.images.length} images, ${total} bytes in all: test/upgrade/${name}/`)
}

try {
  await main()
  process.exit(0)
} catch (error) {
  console.error(error instanceof StartError ? error.message : (error as Error).stack)
  process.exit(1)
}
