// The two ways Calotype runs, behind one interface: a journey is written once and made on both.
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { startCluster } from './cluster.ts'
import type { DataAt } from './data-dir.ts'
import { startServer } from './server.ts'

export interface Calotype extends DataAt {
  /** `embedded`: one server, which does everything. `cluster`: two API servers behind nginx, two workers, PostgreSQL and Redis. */
  readonly topology: 'embedded' | 'cluster'
  /** Of the server, or of nginx; without a slash at the end. May be another one after `startAgain`. */
  readonly url: string
  /** What a command of Calotype needs in its environment to work on the same data. */
  readonly env: Record<string, string>
  /** The processes of Calotype as they are now, by name, without their children: the server, or API servers and workers. */
  processes(): Promise<Map<string, number>>
  /** What they have written so far. */
  log(): string
  /**
   * Ends every process of Calotype by SIGTERM; in a cluster one after the other, while nginx and the engines stay. Resolves once all
   * are gone.
   */
  shutDown(): Promise<void>
  /** After `shutDown`: with the same settings and the same data. */
  startAgain(): Promise<void>
}

type Started = Calotype & { end(): Promise<void> }

const START = { embedded: startEmbedded, cluster: startClustered }

/**
 * Describes the same tests for each topology, or those given, with a Calotype for all of them that has these settings. It starts with the first
 * test: `tests` itself must not use it yet. At the end it must stop in order, not having lost a process on its way.
 */
export function onEachTopology(
  env: Record<string, string>,
  tests: (calotype: Calotype) => void,
  topologies: Calotype['topology'][] = ['embedded', 'cluster'],
): void {
  for (const topology of topologies) {
    let started: Started
    describe(topology, () => {
      before(async () => {
        started = await START[topology](env)
      })
      after(() => started?.end())
      tests({
        topology,
        get url() {
          return started.url
        },
        get dataDir() {
          return started.dataDir
        },
        get databaseUrl() {
          return started.databaseUrl
        },
        get env() {
          return started.env
        },
        processes: () => started.processes(),
        log: () => started.log(),
        shutDown: () => started.shutDown(),
        startAgain: () => started.startAgain(),
      })
    })
  }
}

async function startEmbedded(env: Record<string, string>): Promise<Started> {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  const remove = () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 })
  process.once('exit', remove)
  const start = () => startServer({ env, dataDir })
  let server = await start()
  const shutDown = async () => assert.equal(await server.stop(), 0)
  return {
    topology: 'embedded',
    get url() {
      return server.url
    },
    dataDir,
    databaseUrl: undefined,
    env: { ...env, DATA_DIR: dataDir },
    processes: async () => new Map([['server', server.pid]]),
    log: () => server.output(),
    shutDown,
    async startAgain() {
      server = await start()
    },
    async end() {
      await shutDown()
      process.off('exit', remove)
      remove()
    },
  }
}

async function startClustered(env: Record<string, string>): Promise<Started> {
  const cluster = await startCluster({ env })
  const { url, dataDir, databaseUrl } = cluster
  const ours = cluster.members.map(({ name }) => name).filter((name) => /^(api|worker)-/.test(name))
  return {
    topology: 'cluster',
    url,
    dataDir,
    databaseUrl,
    env: { ...env, DATA_DIR: dataDir, DATABASE_URL: databaseUrl, REDIS_URL: cluster.redisUrl },
    async processes() {
      const members = await Promise.all(ours.map(cluster.member))
      return new Map(members.flatMap(({ name, pid }) => (pid === null ? [] : [[name, pid]])))
    },
    log: () => ours.map((name) => readFileSync(join(cluster.folder, 'log', `${name}.log`), 'utf8')).join(''),
    async shutDown() {
      for (const name of ours) await cluster.stopMember(name)
    },
    async startAgain() {
      await Promise.all(ours.map((name) => cluster.start(name)))
    },
    async end() {
      assert.equal(await cluster.stop(), 0)
      assert.doesNotMatch(cluster.output(), /ended by itself|did not end within/)
    },
  }
}
