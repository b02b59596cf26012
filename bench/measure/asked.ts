// How often a server asks its database and its queue, counted from outside: no code of the server's knows of it.
import { readdir, readFile, stat } from 'node:fs/promises'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setTimeout as wait } from 'node:timers/promises'
import type { TestCluster } from '../../test/support/servers/cluster.ts'
import { listenToCommands, type Commands } from '../cluster/commands.ts'
import { openRows, type Rows } from '../cluster/rows.ts'
import { isWrite, LOG_LINE_PREFIX, readStatements, type Statement } from '../cluster/statements.ts'
import type { StatementCounts } from './count-statements.ts'

export interface Asked {
  /** Statements that insert, update or delete. */
  dbWrites: number
  /** Statements of all kinds, begins and commits among them; in a cluster each waits for its answer over the network. */
  dbRoundTrips: number
  /** Commands to Redis about the queue; 0 where the queue is in the server. */
  queueOps: number
}

/** How long the last count may take to be written. */
const SETTLING_MS = 300

/** For an embedded server: the environment in which it counts, and its counts since they were last taken. */
export async function countStatements(root: string): Promise<{ env: Record<string, string>; take(): Promise<Asked> }> {
  const folder = await mkdtemp(join(root, 'counts-'))
  const preload = pathToFileURL(join(import.meta.dirname, 'count-statements.ts')).href
  let before: StatementCounts = { writes: 0, all: 0 }
  return {
    env: { NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${preload}`, CALOTYPE_BENCH_COUNTS: folder },
    async take() {
      await wait(SETTLING_MS)
      const now: StatementCounts = { writes: 0, all: 0 }
      for (const name of await readdir(folder)) {
        const { writes, all } = JSON.parse(await readFile(join(folder, name), 'utf8')) as StatementCounts
        now.writes += writes
        now.all += all
      }
      const asked = { dbWrites: now.writes - before.writes, dbRoundTrips: now.all - before.all, queueOps: 0 }
      before = now
      return asked
    },
  }
}

export interface ClusterAsked {
  statements: Statement[]
  commands: Commands
}

/** For a cluster: what stands in the log of PostgreSQL, in which from now on every statement does, and what MONITOR of Redis hears. */
export async function watchCluster(cluster: Pick<TestCluster, 'directDatabaseUrl' | 'redisUrl' | 'folder'>) {
  const rows = await openRows(cluster.directDatabaseUrl)
  const commands = await listenToCommands(cluster.redisUrl)
  await logEveryStatement(rows)
  const logFile = join(cluster.folder, 'log/postgres.log')
  let from = (await stat(logFile)).size
  /** All of it since this was last called. */
  const takeAll = async (): Promise<ClusterAsked> => {
    const heard = await commands.take()
    const log = await readFile(logFile)
    const statements = readStatements(log.subarray(from).toString())
    from = log.length
    return { statements, commands: heard }
  }
  return {
    rows,
    takeAll,
    async take(): Promise<Asked> {
      const { statements, commands } = await takeAll()
      return { dbWrites: statements.filter(isWrite).length, dbRoundTrips: statements.length, queueOps: commands.queueOps }
    },
    async close() {
      commands.close()
      await rows.close()
    },
  }
}

async function logEveryStatement(rows: Rows): Promise<void> {
  await rows.query(`alter system set log_line_prefix = '${LOG_LINE_PREFIX}'`)
  await rows.query("alter system set log_statement = 'all'")
  await rows.query('select pg_reload_conf()')
}
