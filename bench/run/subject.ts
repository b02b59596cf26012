// What is measured: a server of the bench's own, a cluster of its own, or one that runs already; behind one interface.
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startCluster } from '../../test/support/servers/cluster.ts'
import { processesOfGroup } from '../../test/support/servers/processes.ts'
import { startServer, type Server } from '../../test/support/servers/server.ts'
import { countStatements, watchCluster, type Asked } from '../measure/asked.ts'
import { usageOfTrees } from '../measure/process-tree.ts'
import { emptyFolder } from './scratch.ts'

export const TOPOLOGIES = ['embedded', 'cluster'] as const
export type Topology = (typeof TOPOLOGIES)[number]

export interface Subject extends AsyncDisposable {
  url: string
  /** CPU time of our processes so far, children too, in milliseconds; null where it is not known. */
  cpuMs(): number | null
  /** Of the database, Redis and nginx. */
  enginesCpuMs(): number | null
  /** Resident memory of our processes, in MB of 1e6 bytes. */
  rssMb(): number | null
  /** Of our processes, the server first; empty where they are not known. */
  pids(): number[]
  /** Stops and continues those who develop, so that everything else is alone with the machine. Not of one that runs already. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** What was asked of the database and the queue since it was last called; null unless it is counted. */
  asked(): Promise<Asked | null>
  /** What it wrote. */
  output(): string
}

export interface SubjectOptions {
  topology: Topology
  /** Folder for what it keeps. */
  root: string
  env?: Record<string, string>
  /** Counts statements and commands, which takes time of its own. */
  counted?: boolean
}

export const startSubject = (options: SubjectOptions): Promise<Subject> =>
  options.topology === 'embedded' ? startEmbedded(options) : startClustered(options)

const SETTINGS = { LOG_LEVEL: 'warn' }

const LOOK_EVERY_MS = 50
const LOOKS_ALIKE = 6
const MAX_LOOKS = 200

/** A server is ready before its children are, and what it probes the system with are children, too: resolves once they stay the same. */
async function childrenStarted(server: Server): Promise<void> {
  let [before, alike] = ['', 0]
  for (let look = 0; look < MAX_LOOKS && alike < LOOKS_ALIKE; look++) {
    const now = server.pids().join()
    alike = now === before && now.includes(',') ? alike + 1 : 0
    before = now
    await wait(LOOK_EVERY_MS)
  }
}

async function startEmbedded({ root, env = {}, counted = false }: SubjectOptions): Promise<Subject> {
  const dataDir = await mkdtemp(join(root, 'data-'))
  const counting = counted ? await countStatements(root) : null
  const server = await startServer({ dataDir, env: { ...SETTINGS, ...env, ...counting?.env } })
  await childrenStarted(server)
  const signalChildren = (signal: NodeJS.Signals) => {
    const children = server.pids().filter((pid) => pid !== server.pid)
    if (children.length === 0) throw new Error('The server has no children to freeze.')
    for (const pid of children) process.kill(pid, signal)
  }
  return {
    url: server.url,
    cpuMs: () => server.cpuMs(),
    enginesCpuMs: () => null,
    rssMb: () => server.rssMb(),
    pids: () => server.pids(),
    freeze: async () => signalChildren('SIGSTOP'),
    thaw: async () => signalChildren('SIGCONT'),
    asked: async () => (await counting?.take()) ?? null,
    output: () => server.output(),
    async [Symbol.asyncDispose]() {
      // A frozen child would have to be waited for.
      if (server.pids().length > 1) signalChildren('SIGCONT')
      await server.stop()
      await emptyFolder(dataDir)
    },
  }
}

async function startClustered({ env = {}, counted = false }: SubjectOptions): Promise<Subject> {
  const cluster = await startCluster({ env: { ...SETTINGS, ...env } })
  const pidsOf = (ours: boolean) =>
    cluster.members.filter(({ name, pid }) => /^(api|worker)-/.test(name) === ours && pid !== null).map(({ pid }) => pid!)
  const [our, engines] = [pidsOf(true), pidsOf(false)]
  const workers = cluster.members.filter(({ name }) => name.startsWith('worker-')).map(({ name }) => name)
  const signalWorkers = async (signal: NodeJS.Signals) => {
    for (const name of workers) await cluster.kill(name, signal)
  }
  const watching = counted ? await watchCluster(cluster) : null
  const usage = () => our.flatMap((leader) => processesOfGroup(leader).map((entry) => ({ ...entry, isLeader: entry.pid === leader })))
  return {
    url: cluster.url,
    cpuMs: () => usage().reduce((sum, { cpuMs, endedChildrenCpuMs, isLeader }) => sum + cpuMs + (isLeader ? endedChildrenCpuMs : 0), 0),
    enginesCpuMs: () => usageOfTrees(engines).cpuMs,
    rssMb: () => usage().reduce((sum, { rssMb }) => sum + rssMb, 0),
    pids: () => usage().map(({ pid }) => pid),
    freeze: () => signalWorkers('SIGSTOP'),
    thaw: () => signalWorkers('SIGCONT'),
    asked: async () => (await watching?.take()) ?? null,
    output: () => cluster.output(),
    async [Symbol.asyncDispose]() {
      await watching?.close()
      await signalWorkers('SIGCONT').catch(() => {})
      await cluster.stop()
    },
  }
}

/** A server that runs already. With the `pid` of its process on this machine, its CPU and memory and its children's are known too. */
export function runningSubject(url: string, pid: number | undefined): Subject {
  if (pid !== undefined && usageOfTrees([pid]).processes === 0) throw new Error(`There is no process ${pid} on this machine.`)
  const never = async () => {
    throw new Error('Only a server of its own can be frozen by the bench.')
  }
  return {
    url: url.replace(/\/$/, ''),
    cpuMs: () => (pid === undefined ? null : usageOfTrees([pid]).cpuMs),
    enginesCpuMs: () => null,
    rssMb: () => (pid === undefined ? null : usageOfTrees([pid]).rssMb),
    pids: () => (pid === undefined ? [] : [pid]),
    freeze: never,
    thaw: never,
    asked: async () => null,
    output: () => '',
    async [Symbol.asyncDispose]() {},
  }
}
