// The real server for tests and the bench: started as a user starts it, watched from outside, and gone afterwards whatever happens.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { isAlive, processesOfGroup } from './processes.ts'

const CLI = join(import.meta.dirname, '../../../src/cli.ts')
const READY_TIMEOUT_MS = 30_000
/** The server promises to stop within 10 s; what takes longer than this is a fault. */
const STOP_TIMEOUT_MS = 15_000
/** How long its children may outlive it. */
const CHILDREN_TIMEOUT_MS = 3_000

// A server has a process group of its own, which Ctrl-C and a runner's SIGTERM don't reach: end by the exit hooks below.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(128 + constants.signals[signal]))

export interface Server extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  url: string
  pid: number
  dataDir: string
  /** What it has written to stdout and stderr so far. */
  output(): string
  /**
   * SIGTERM, then waits until the server and its children are gone; its temporary DATA_DIR goes too. Gives the exit code, null if
   * it was killed. Rejects if it takes longer than 15 s or leaves children behind (they are killed). Safe to call twice.
   */
  stop(): Promise<number | null>
  /** A signal to the server's process group, so not to its children. SIGKILL also waits until all are gone; DATA_DIR stays until `stop`. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** The server first, then its children, by age. */
  pids(): number[]
  /** CPU time of the server and its children so far, ended ones too (Linux), in milliseconds, in steps of 10. */
  cpuMs(): number
  /** Resident memory of one of its processes, in MB of 1e6 bytes; without a pid the sum of all. */
  rssMb(pid?: number): number
}

export interface StartServerOptions {
  env?: Record<string, string>
  /** Kept; without one there is a temporary folder. */
  dataDir?: string
  /** `worker`: one of a cluster, whose url is that of its health. */
  role?: 'serve' | 'worker'
  /** A program that becomes the server, with its arguments: it must keep its process id. */
  through?: string[]
}

/**
 * Starts `node src/cli.ts serve` on a free port, in a process group of its own, and waits until it is ready. Rejects, with the server's
 * output, if it ends first or takes longer than 30 s.
 */
/** Starts a server that is to refuse its start; returns what it says beside its exit code, line by line. */
export async function refusedStart(options: StartServerOptions): Promise<string[]> {
  const error = await startServer(options).then(
    async (server) => {
      await server.stop()
      return new Error('It started.')
    },
    (failure: Error) => failure,
  )
  const [first = '', ...said] = error.message.trim().split('\n')
  assert.match(first, /ended with 1/)
  return said
}

export async function startServer(options: StartServerOptions = {}): Promise<Server> {
  const { role = 'serve', through = [] } = options
  const temporary = options.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'calotype-test-')) : undefined
  const dataDir = options.dataDir ?? temporary!
  const [program = '', ...args] = [...through, process.execPath, CLI, role]
  const child = spawn(program, args, {
    // Not the clone: a developer's .env there is not for tests.
    cwd: tmpdir(),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '16', HOST: '127.0.0.1', PORT: '0', WORKER_PORT: '0', DATA_DIR: dataDir, ...options.env },
  })
  await once(child, 'spawn')
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  const pid = child.pid!

  const killGroup = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal)
    } catch (error) {
      // No such group any more; macOS says EPERM of one whose last processes are only not waited for yet.
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ESRCH' && code !== 'EPERM') throw error
    }
  }
  const atExit = () => {
    killGroup('SIGKILL')
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
  }
  process.once('exit', atExit)
  const processes = () => processesOfGroup(pid)
  /** Children have groups of their own: which were the server's is known only while it lives. */
  const children = new Set<number>()
  const noteChildren = () => processes().forEach((entry) => children.add(entry.pid))
  const left = () => [...children].filter(isAlive)
  const childrenGone = async () => {
    for (let waitedMs = 0; left().length > 0; waitedMs += 20) {
      if (waitedMs >= CHILDREN_TIMEOUT_MS) throw new Error(`The server is gone, its children are not: ${left()}`)
      await wait(20)
    }
  }
  const cleanUp = async () => {
    noteChildren()
    killGroup('SIGKILL')
    await childrenGone().finally(() => left().forEach((child) => process.kill(child, 'SIGKILL')))
    process.off('exit', atExit)
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true, maxRetries: 5 })
  }

  let output = ''
  let timer: NodeJS.Timeout | undefined
  const ready = new Promise<string>((resolve, reject) => {
    const hear = (text: string) => {
      output += text
      const url = /^(?:page (\S+?)\/?|health (\S+)\/healthz)\n/m.exec(output)?.slice(1).find(Boolean)
      if (url !== undefined) resolve(url)
    }
    child.stdout.setEncoding('utf8').on('data', hear)
    child.stderr.setEncoding('utf8').on('data', hear)
    ended.then((code) => reject(new Error(`The server ended with ${code} before it was ready:\n${output}`)), reject)
    timer = setTimeout(() => reject(new Error(`The server was not ready after ${READY_TIMEOUT_MS} ms:\n${output}`)), READY_TIMEOUT_MS)
  })
  const url = await ready
    .catch(async (error: unknown) => {
      await cleanUp()
      throw error
    })
    .finally(() => clearTimeout(timer))

  const stop = async () => {
    noteChildren()
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    const late = setTimeout(() => killGroup('SIGKILL'), STOP_TIMEOUT_MS)
    const startedAt = performance.now()
    try {
      const code = await ended
      if (performance.now() - startedAt >= STOP_TIMEOUT_MS)
        throw new Error(`The server did not stop within ${STOP_TIMEOUT_MS} ms:\n${output}`)
      await childrenGone()
      return code
    } finally {
      clearTimeout(late)
      await cleanUp()
    }
  }
  let stopped: Promise<number | null> | undefined
  const server: Server = {
    url,
    pid,
    dataDir,
    output: () => output,
    stop: () => (stopped ??= stop()),
    async kill(signal) {
      noteChildren()
      killGroup(signal)
      if (signal !== 'SIGKILL') return
      await ended
      await childrenGone()
    },
    pids: () => processes().map((entry) => entry.pid),
    // Children still alive are counted by themselves; those that ended are in the server's own account.
    cpuMs: () => processes().reduce((sum, entry) => sum + entry.cpuMs + (entry.pid === pid ? entry.endedChildrenCpuMs : 0), 0),
    rssMb: (only) => processes().reduce((sum, entry) => sum + (only === undefined || only === entry.pid ? entry.rssMb : 0), 0),
    [Symbol.asyncDispose]: async () => {
      await server.stop()
    },
  }
  return server
}
