// The real cluster for tests and the bench: started as a user starts it, in a temporary folder, and gone afterwards whatever happens.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Answer, Command } from '../../../scripts/cluster/control.ts'
import type { ClusterReport, MemberReport } from '../../../scripts/cluster/topology.ts'
import { processesOfGroup, type ProcessEntry } from './processes.ts'

const SCRIPT = join(import.meta.dirname, '../../../scripts/cluster.ts')
/** Packages may have to be installed first, as root on a new machine. */
const READY_TIMEOUT_MS = 240_000
/** Each member has up to 20 s, and thousands of files may have to go. */
const STOP_TIMEOUT_MS = 90_000

// As in server.ts: end by the exit hooks, also at a signal. The same listener twice does no harm.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(128 + constants.signals[signal]))

export interface StartClusterOptions {
  /** API servers (2); 0: PostgreSQL, PgBouncer and Redis alone. */
  api?: number
  /** Workers (2). */
  workers?: number
  /** Images in an S3 server instead of the shared folder. */
  s3?: boolean
  /** Settings of the API servers and workers. */
  env?: Record<string, string>
  /** Kept; without one there is a temporary folder. */
  folder?: string
  port?: number
}

export interface TestCluster extends AsyncDisposable, Omit<ClusterReport, 'url'> {
  /** Of nginx, `http://127.0.0.1:PORT`; empty without API servers. */
  url: string
  /** Of the process that holds it together. */
  pid: number
  /** `DATA_DIR`, shared by all. */
  dataDir: string
  /** What it has written to stderr so far. */
  output(): string
  /** A member as it is now. */
  member(name: string): Promise<MemberReport>
  /** Starts one that is down, or one worker more. Resolves once it serves. */
  start(name: string): Promise<MemberReport>
  /** SIGTERM, and waits until it is gone. It stays down. */
  stopMember(name: string): Promise<void>
  restart(name: string): Promise<MemberReport>
  /** A signal to its whole process group, SIGKILL unless given; then it stays down. SIGSTOP and SIGCONT freeze and thaw it. */
  kill(name: string, signal?: NodeJS.Signals): Promise<void>
  /** Its process and its children. */
  processes(name: string): Promise<ProcessEntry[]>
  /** Ends everything; gives the exit code, null if it was killed. Rejects if it takes longer than 90 s. Safe to call twice. */
  stop(): Promise<number | null>
}

/** Starts a cluster and waits until it is ready. Rejects, with what it said, if it ends first. */
export async function startCluster(options: StartClusterOptions = {}): Promise<TestCluster> {
  const { api = 2, workers = 2, s3 = false, folder, port = 0 } = options
  const args = ['--json', '--api', String(api), '--workers', String(workers), '--port', String(port)]
  if (s3) args.push('--s3')
  if (folder !== undefined) args.push('--folder', folder)
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', SCRIPT, ...args], {
    // A Ctrl-C of the terminal is for the runner, which ends us; we then end the cluster.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  })
  await once(child, 'spawn')
  let ended = false
  const end = once(child, 'exit').then(([code]) => {
    ended = true
    return code as number | null
  })
  // Its stdin breaks when it is killed; whoever waits for an answer hears of the end.
  child.stdin.on('error', () => {})
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))

  /** Lines come in the order of the commands. */
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(line))
  void end.then((code) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`The cluster ended with ${code}:\n${said}`))
  })
  const nextLine = () => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    if (ended) reject(new Error(`The cluster has ended:\n${said}`))
    else waiting.push({ resolve, reject })
    return promise
  }
  async function tell(command: Command): Promise<Answer & { ok: true }> {
    const answer = nextLine()
    child.stdin.write(`${JSON.stringify(command)}\n`)
    const told = JSON.parse(await answer) as Answer
    if (!told.ok) throw new Error(told.error)
    return told
  }

  // Killed, it takes its members along; SIGTERM lets it clean up as well, after us.
  const atExit = () => child.kill('SIGTERM')
  process.once('exit', atExit)
  const late = setTimeout(() => child.kill('SIGTERM'), READY_TIMEOUT_MS)
  let report: ClusterReport
  try {
    report = JSON.parse(await nextLine()) as ClusterReport
    // Having spoken, our end is its end, even if we are killed.
    await tell({ report: true })
  } catch (error) {
    child.kill('SIGTERM')
    await end
    process.off('exit', atExit)
    throw error
  } finally {
    clearTimeout(late)
  }

  async function stop() {
    if (!ended) child.kill('SIGTERM')
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      child.kill('SIGKILL')
    }, STOP_TIMEOUT_MS)
    const code = await end
    clearTimeout(timer)
    process.off('exit', atExit)
    if (isLate) throw new Error(`The cluster did not end within ${STOP_TIMEOUT_MS} ms:\n${said}`)
    return code
  }
  const member = async (name: string) => {
    const found = (await tell({ report: true })).members!.find((one) => one.name === name)
    if (found === undefined) throw new Error(`The cluster has no ${name}.`)
    return found
  }
  let stopped: Promise<number | null> | undefined
  const cluster: TestCluster = {
    ...report,
    url: report.url ?? '',
    pid: child.pid!,
    dataDir: join(report.folder, 'data'),
    output: () => said,
    member,
    start: async (name) => (await tell({ start: name })).member!,
    restart: async (name) => (await tell({ restart: name })).member!,
    stopMember: async (name) => void (await tell({ stop: name })),
    kill: async (name, signal = 'SIGKILL') => void (await tell({ kill: name, signal })),
    async processes(name) {
      const { pid } = await member(name)
      return pid === null ? [] : processesOfGroup(pid)
    },
    stop: () => (stopped ??= stop()),
    [Symbol.asyncDispose]: async () => void (await cluster.stop()),
  }
  return cluster
}
