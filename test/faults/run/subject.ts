// What the fault tests do their worst to: one server, embedded, or a server and a worker on the engines of a cluster, all restartable.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { Redis } from 'ioredis'
import pg from 'pg'
import { freePorts } from '../../../scripts/cluster/place.ts'
import { newLedger, type Ledger } from '../../cluster/ledger.ts'
import { startCluster, type TestCluster } from '../../support/servers/cluster.ts'
import type { DataAt } from '../../support/servers/data-dir.ts'
import { startServer, type Server, type StartServerOptions } from '../../support/servers/server.ts'

export type Topology = 'embedded' | 'cluster'
type Role = 'serve' | 'worker'

export interface Subject extends AsyncDisposable, DataAt {
  readonly topology: Topology
  /** The same for all its servers, one after the other. */
  readonly url: string
  /** What a command needs to work on the same data. */
  readonly env: Record<string, string>
  /** The client's, synced. */
  readonly ledger: Ledger
  /** The file that failpoints look at. */
  readonly failpoint: string
  /** As they are now; gone ones too, until the next start. */
  readonly server: Server
  /** Null when embedded: the server develops. */
  readonly worker: Server | null
  /** Who has children that develop. */
  readonly processor: Server
  /** Starts again whoever has ended by itself. True if anyone had. */
  revive(): Promise<boolean>
  /** Ends all in order; gives the exit codes. */
  stop(): Promise<(number | null)[]>
}

export interface SubjectOptions extends Pick<StartServerOptions, 'through'> {
  env?: Record<string, string>
  /** Of one role alone. */
  envOf?: Partial<Record<Role, Record<string, string>>>
  /** Instead of a temporary one. */
  dataDir?: string
  /** Done in the empty DATA_DIR before anyone starts. */
  prepare?: (dataDir: string) => void
}

const ENV = { LOG_LEVEL: 'error', BLOB_GRACE_SECONDS: '0', WORKER_CONCURRENCY: '2' }

/** Describes the same tests for each topology. `open` starts a subject of its own: an empty folder, an empty database. */
export function onEachTopology(
  tests: (topology: Topology, open: (options?: SubjectOptions) => Promise<Subject>, engines: () => TestCluster) => void,
  topologies: Topology[] = ['embedded', 'cluster'],
): void {
  for (const topology of topologies) {
    describe(topology, () => {
      let engines: TestCluster | undefined
      before(async () => {
        if (topology === 'cluster') engines = await startCluster({ api: 0, workers: 0 })
      })
      after(() => engines?.stop())
      tests(
        topology,
        async (options = {}) => openSubject(options, engines),
        () => engines!,
      )
    })
  }
}

let databases = 0

async function newDatabase(engines: TestCluster): Promise<string> {
  const name = `fault_${++databases}`
  const client = new pg.Client({ connectionString: engines.directDatabaseUrl })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  const redis = new Redis(engines.redisUrl)
  await redis.flushall()
  redis.disconnect()
  return engines.databaseUrl.replace(/[^/]+$/, name)
}

async function openSubject(options: SubjectOptions, engines: TestCluster | undefined): Promise<Subject> {
  const folder = mkdtempSync(join(tmpdir(), 'calotype-fault-'))
  const dataDir = options.dataDir ?? join(folder, 'data')
  mkdirSync(dataDir, { recursive: true })
  options.prepare?.(dataDir)
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.once('exit', remove)
  const [port = 0] = await freePorts(1)
  const failpoint = join(folder, 'failpoint')
  const databaseUrl = engines && (options.env?.DATABASE_URL ?? (await newDatabase(engines)))
  const env: Record<string, string> = { ...ENV, ...options.env, DATA_DIR: dataDir }
  if (engines && databaseUrl !== undefined) Object.assign(env, { DATABASE_URL: databaseUrl, REDIS_URL: engines.redisUrl })
  const start = (role: Role) =>
    startServer({
      role,
      dataDir,
      env: { ...env, PORT: String(port), CALOTYPE_FAILPOINT: failpoint, ...options.envOf?.[role] },
      ...(options.through && { through: options.through }),
    })
  const roles: Role[] = engines ? ['serve', 'worker'] : ['serve']
  const running = new Map<Role, Server>()
  try {
    for (const role of roles) running.set(role, await start(role))
  } catch (error) {
    await Promise.all([...running.values()].map((one) => one.stop()))
    remove()
    throw error
  }
  let stopped = false
  const stop = async () => {
    stopped = true
    return Promise.all([...running.values()].map((one) => one.stop()))
  }
  return {
    topology: engines ? 'cluster' : 'embedded',
    url: `http://127.0.0.1:${port}`,
    dataDir,
    databaseUrl,
    env,
    failpoint,
    ledger: newLedger(join(folder, 'acknowledged')),
    get server() {
      return running.get('serve')!
    },
    get worker() {
      return running.get('worker') ?? null
    },
    get processor() {
      return running.get('worker') ?? running.get('serve')!
    },
    async revive() {
      let revived = false
      for (const role of roles) {
        const one = running.get(role)!
        if (one.pids().length > 0) continue
        await one.stop()
        running.set(role, await start(role))
        revived = true
      }
      return revived
    },
    stop,
    async [Symbol.asyncDispose]() {
      if (!stopped) await stop()
      process.off('exit', remove)
      remove()
    },
  }
}

const ESTABLISHED = '01'

/** Connections of clients to a port, by the inodes of their sockets: proc_pid_net(5). */
export function clientsOf(pid: number, port: string): string[] {
  const lines = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1)
  return lines.flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
    return state === ESTABLISHED && parseInt(local.split(':')[1] ?? '', 16) === Number(port) ? inode : []
  })
}

/** Open descriptors of a process, without the connections that clients hold to this port, and the folders its store holds open from their first image on. */
export function descriptorsOf(pid: number, port: string): number {
  const ofClients = new Set(clientsOf(pid, port).map((inode) => `socket:[${inode}]`))
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      const path = `/proc/${pid}/fd/${fd}`
      return !ofClients.has(readlinkSync(path)) && !statSync(path).isDirectory()
    } catch {
      // The one that reads the folder.
      return false
    }
  }).length
}
