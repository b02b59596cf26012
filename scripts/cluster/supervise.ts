// One member of the cluster: a program that is started, watched, stopped, killed, and started again if it ends by itself.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { StartError } from '../../src/errors.ts'

/** How a program is run. */
export interface Program {
  /** Of the member: `redis`, `api-1`. */
  name: string
  /** The program and its arguments. */
  command: string[]
  env?: Record<string, string>
  cwd: string
  /** What it writes, to stdout and stderr, goes to the end of this file. */
  logFile: string
  /** The signal that makes it end in order. */
  stopSignal: NodeJS.Signals
  /** After it, the whole process group is killed. */
  stopTimeoutMs: number
  /** Whether it serves by now, given what it has written since its start; asked again and again. What it throws means not yet. */
  isReady(log: string): Promise<boolean> | boolean
}

export interface Member {
  readonly name: string
  /** While it runs. */
  readonly pid: number | undefined
  /** What it has written since its last start. */
  log(): string
  /** Starts it, unless it runs, and resolves once it serves. Rejects with StartError, with the end of its log. */
  start(): Promise<void>
  /** Ends it in order and resolves once it is gone. */
  stop(): Promise<void>
  /** Sends a signal to its whole process group. After one that ends it, it stays down until `start`; SIGKILL waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>
}

const READY_TIMEOUT_MS = 30_000
const POLL_MS = 25
/** A program that ends while it starts is tried again: what it needs may still be held by the one before it. */
const TRY_AGAIN_MS = 400
const TRY_AGAIN_FOR_MS = 10_000
const RESTART_AFTER_MS = 1_000
const ENDING: NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGKILL', 'SIGHUP', 'SIGABRT', 'SIGSEGV']

/** Prepares a member; nothing runs before `start`. */
export function supervise(program: Program, say: (line: string) => void): Member {
  const { name, logFile, stopSignal, stopTimeoutMs } = program
  let child: ChildProcess | undefined
  let logStart = 0
  /** Whether it should run. */
  let wanted = false
  let restarting: NodeJS.Timeout | undefined

  const log = () => {
    try {
      return readFileSync(logFile).subarray(logStart).toString('utf8')
    } catch {
      return ''
    }
  }
  const tail = () => log().trimEnd().split('\n').slice(-8).join('\n')

  function run(): ChildProcess {
    const [file = '', ...args] = program.command
    logStart = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0
    const fd = openSync(logFile, 'a')
    // A process group of its own: a Ctrl-C is ours to pass on in order, and a kill takes its children along.
    const started = spawn(file, args, { cwd: program.cwd, env: program.env ?? {}, detached: true, stdio: ['ignore', fd, fd] })
    closeSync(fd)
    child = started
    started.once('exit', (code, signal) => {
      killGroup(started, 'SIGKILL')
      if (child === started) child = undefined
      if (wanted && served === started) {
        say(`${name} ended by itself (${signal ?? `code ${code}`}); starting it again`)
        restartLater()
      }
    })
    started.once('error', () => (child = undefined))
    return started
  }

  /** The process that has been ready. */
  let served: ChildProcess | undefined

  function restartLater() {
    restarting = setTimeout(() => {
      start().catch((error: Error) => {
        say(error.message)
        if (wanted) restartLater()
      })
    }, RESTART_AFTER_MS)
  }

  async function start(): Promise<void> {
    clearTimeout(restarting)
    if (child !== undefined && served === child) return
    wanted = true
    const startedAt = performance.now()
    for (;;) {
      const process = run()
      const state = await readyOrEnded(process)
      if (state === 'ready') {
        served = process
        // It may have ended between its last answer and now.
        if (process.exitCode !== null || process.signalCode !== null) continue
        return
      }
      if (!wanted) throw new StartError(`${name} was stopped while it started.`)
      if (state === 'late') await end(process, 'SIGKILL')
      if (state === 'late' || performance.now() - startedAt > TRY_AGAIN_FOR_MS) {
        const what = state === 'late' ? `was not ready within ${READY_TIMEOUT_MS / 1000} s` : 'did not start'
        throw new StartError(`${name} ${what}. The end of ${logFile}:\n${tail()}`)
      }
      await wait(TRY_AGAIN_MS)
    }
  }

  async function readyOrEnded(process: ChildProcess): Promise<'ready' | 'ended' | 'late'> {
    for (const end = performance.now() + READY_TIMEOUT_MS; performance.now() < end; await wait(POLL_MS)) {
      if (process.pid === undefined || process.exitCode !== null || process.signalCode !== null) return 'ended'
      try {
        if (await program.isReady(log())) return 'ready'
      } catch {
        // Not yet.
      }
    }
    return 'late'
  }

  async function end(process: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (process.pid === undefined || process.exitCode !== null || process.signalCode !== null) return
    const ended = once(process, 'exit')
    if (signal === 'SIGKILL') killGroup(process, signal)
    else {
      process.kill(signal)
      // One that a test has frozen.
      killGroup(process, 'SIGCONT')
    }
    const late = setTimeout(() => {
      say(`${name} did not end within ${stopTimeoutMs / 1000} s; killing it`)
      killGroup(process, 'SIGKILL')
    }, stopTimeoutMs)
    await ended
    clearTimeout(late)
  }

  return {
    name,
    get pid() {
      return child?.pid
    },
    log,
    start,
    async stop() {
      wanted = false
      clearTimeout(restarting)
      if (child !== undefined) await end(child, stopSignal)
    },
    async kill(signal) {
      if (ENDING.includes(signal)) {
        wanted = false
        clearTimeout(restarting)
      }
      if (child === undefined) return
      if (signal === 'SIGKILL') await end(child, signal)
      else killGroup(child, signal)
    },
  }
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
