// The whole cluster: which members there are, in which order they start, and in which they end.
import { StartError } from '../../src/errors.ts'
import { apiServer, healthUrl, serverUrl, setupUrl, worker, type CalotypeOptions } from './calotype.ts'
import { createDatabase, databaseUrl, pgbouncer, postgres, redis, redisUrl, s3, s3At, type S3 } from './engines.ts'
import { nginx } from './front.ts'
import { checkPort, freePorts, HOST, openPlace } from './place.ts'
import { findPrograms } from './programs.ts'
import { supervise, type Member, type Program } from './supervise.ts'

export interface ClusterOptions {
  /** Kept when the cluster ends; without one it has a temporary folder, which goes. */
  folder: string | undefined
  /** Of nginx; 0 takes a free one. */
  port: number
  /** API servers; none: the engines alone, without nginx. */
  api: number
  workers: number
  s3: boolean
}

export interface MemberReport {
  name: string
  pid: number | null
  /** Of an API server, or of a worker's health. */
  url: string | null
}

/** What the cluster says of itself once it is ready. */
export interface ClusterReport {
  /** Of nginx, without a slash at the end; null without API servers. */
  url: string | null
  /** Where the first administrator makes an account, while there is none and one is needed. */
  setupUrl: string | null
  folder: string
  /** Through PgBouncer. */
  databaseUrl: string
  /** Past it, for what needs a session. */
  directDatabaseUrl: string
  redisUrl: string
  s3: S3 | null
  members: MemberReport[]
}

export interface Cluster {
  report(): ClusterReport
  member(name: string): MemberReport
  /** Starts a member that is down, or one worker more (`worker-3`). */
  start(name: string): Promise<MemberReport>
  stop(name: string): Promise<MemberReport>
  kill(name: string, signal: NodeJS.Signals): Promise<MemberReport>
  /** Ends everything in order: who works, the front, the engines. A temporary folder goes. Safe to call while it starts. */
  close(): Promise<void>
  /** Kills everything at once. */
  closeNow(): Promise<void>
}

/** Prepares the cluster; `begin` starts it and rejects with StartError, having ended what it started. */
export async function prepareCluster(
  options: ClusterOptions,
  say: (line: string) => void,
): Promise<{ cluster: Cluster; begin(): Promise<ClusterReport> }> {
  const programs = findPrograms(say)
  if (options.port > 0) await checkPort(options.port)
  const place = openPlace(options.folder, programs.setpriv)
  const [postgresPort = 0, pgbouncerPort = 0, redisPort = 0, s3Port = 0, freePort = 0, ...apiPorts] = await freePorts(5 + options.api)
  const port = options.port || freePort
  const members = new Map<string, Member>()
  let closing: Promise<void> | undefined

  const shared = {
    place,
    programs,
    databaseUrl: databaseUrl(place, pgbouncerPort),
    redisUrl: redisUrl(place, redisPort),
    s3: options.s3 ? s3At(s3Port) : null,
  } satisfies Omit<CalotypeOptions, 'name'>

  async function add(program: Program): Promise<Member> {
    if (closing) throw new StartError('The cluster was stopped while it started.')
    say(`starting ${program.name}`)
    const member = supervise(program, say)
    members.set(program.name, member)
    await member.start()
    return member
  }
  const numbered = (role: string, count: number) => Array.from({ length: count }, (_, index) => `${role}-${index + 1}`)
  const addWorker = (name: string) => add(worker({ ...shared, name, workers: Math.max(1, options.workers) }))

  async function begin(): Promise<ClusterReport> {
    const engine = { place, programs }
    await add(postgres({ ...engine, port: postgresPort }))
    await createDatabase(place, postgresPort)
    const others = [pgbouncer({ ...engine, port: pgbouncerPort, postgresPort }), redis({ ...engine, port: redisPort })]
    if (options.s3) others.push(s3({ ...engine, port: s3Port }))
    await all(others.map(add))
    const apis = numbered('api', options.api).map((name, index) => add(apiServer({ ...shared, name, port: apiPorts[index]! })))
    await all([...apis, ...numbered('worker', options.workers).map(addWorker)])
    if (options.api > 0) await add(nginx({ ...engine, port, apiPorts }))
    return report()
  }

  function reportOf(name: string): MemberReport {
    const member = members.get(name)
    if (member === undefined) throw new StartError(`There is no ${name}; there are ${[...members.keys()].join(', ')}.`)
    const log = member.log()
    const url = name.startsWith('api-') ? serverUrl(log) : name.startsWith('worker-') ? healthUrl(log) : undefined
    return { name, pid: member.pid ?? null, url: url ?? null }
  }
  /** As the first API server says it; through nginx, as everything else. */
  function setupUrlOf(front: string): string | null {
    const said = setupUrl(members.get('api-1')?.log() ?? '')
    return said === undefined ? null : front + said.slice(new URL(said).origin.length)
  }
  const report = (): ClusterReport => ({
    url: options.api > 0 ? `http://${HOST}:${port}` : null,
    setupUrl: setupUrlOf(`http://${HOST}:${port}`),
    folder: place.folder,
    databaseUrl: shared.databaseUrl,
    directDatabaseUrl: databaseUrl(place, postgresPort),
    redisUrl: shared.redisUrl,
    s3: shared.s3,
    members: [...members.keys()].sort().map(reportOf),
  })
  const get = (name: string): Member => members.get(reportOf(name).name)!

  /** Who works first, then who they work on. */
  const ENDING = [/^(api|worker)-/, /^nginx$/, /^(pgbouncer|redis|s3)$/, /^postgres$/]
  async function close() {
    try {
      for (const names of ENDING) {
        const ending = [...members.values()].filter(({ name }) => names.test(name))
        // An immediate shutdown: what it would still write goes with the folder.
        if (place.isTemporary) await all(ending.filter(({ name }) => name === 'postgres').map((member) => member.kill('SIGQUIT')))
        await all(ending.map((member) => member.stop()))
      }
    } finally {
      place.remove()
    }
  }

  const cluster: Cluster = {
    report,
    member: reportOf,
    async start(name) {
      if (/^worker-\d+$/.test(name) && !members.has(name)) await addWorker(name)
      else await get(name).start()
      return reportOf(name)
    },
    async stop(name) {
      await get(name).stop()
      return reportOf(name)
    },
    async kill(name, signal) {
      await get(name).kill(signal)
      return reportOf(name)
    },
    close: () => (closing ??= close()),
    async closeNow() {
      closing ??= Promise.resolve()
      await Promise.allSettled([...members.values()].map((member) => member.kill('SIGKILL')))
      place.remove()
    },
  }
  return { cluster, begin }
}

/** Waits for all, also when one fails, so that nothing is left half started; then rejects with the first reason. */
async function all(promises: Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
