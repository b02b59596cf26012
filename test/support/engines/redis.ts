// A Redis of its own for tests: Debian's redis-server on a free port, in a temporary folder, gone afterwards whatever happens.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePorts } from '../../../scripts/cluster/place.ts'

const READY_TIMEOUT_MS = 10_000

// End by the exit hooks below, also at Ctrl-C and when a runner gives up.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(128 + constants.signals[signal]))

export interface RedisServer extends AsyncDisposable {
  /** `redis://127.0.0.1:PORT` */
  url: string
  /** Ends it, keeping its data if it was started with `appendonly`. */
  stop(): Promise<void>
  /** Starts it on the same port, after `stop` or a kill. */
  start(): Promise<void>
  /** SIGSTOP and SIGCONT: connections stay, nothing is answered. */
  pause(): void
  resume(): void
  /** FLUSHALL: everything is lost, connections stay. */
  flush(): Promise<void>
  /** One command, for looking at what lies in it. */
  call(command: string, ...args: (string | number)[]): Promise<unknown>
}

/** `appendonly`: it keeps its data over a stop, all but the last second. `started: false`: nothing listens until `start`. */
export async function startRedis({ appendonly = false, started = true } = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-redis-'))
  const [port = 0] = await freePorts(1)
  const url = `redis://127.0.0.1:${port}`
  let child: ChildProcess | null = null
  const atExit = () => {
    child?.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', atExit)

  async function call(command: string, ...args: (string | number)[]): Promise<unknown> {
    const client = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: null })
    client.on('error', () => {})
    try {
      return await client.call(command, ...args)
    } finally {
      client.disconnect()
    }
  }

  async function start() {
    const args = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', appendonly ? 'yes' : 'no']
    const starting = spawn('redis-server', args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    starting.stdout.on('data', (text) => (output += text))
    starting.stderr.on('data', (text) => (output += text))
    try {
      await once(starting, 'spawn')
    } catch (cause) {
      throw new Error('There is no redis-server. Install it: apt-get install redis-server', { cause })
    }
    child = starting
    for (const startedAt = Date.now(); ; await wait(10)) {
      if ((await call('PING').catch(() => null)) === 'PONG') return
      if (starting.exitCode !== null || Date.now() - startedAt > READY_TIMEOUT_MS) throw new Error(`redis-server did not start:\n${output}`)
    }
  }

  async function stop() {
    const ending = child
    child = null
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const gone = once(ending, 'exit')
    ending.kill('SIGTERM')
    ending.kill('SIGCONT')
    await gone
  }

  async function end() {
    await stop()
    process.off('exit', atExit)
    await rm(folder, { recursive: true, force: true })
  }

  try {
    if (started) await start()
  } catch (error) {
    await end()
    throw error
  }
  return {
    url,
    stop,
    start,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    flush: async () => void (await call('FLUSHALL')),
    call,
    [Symbol.asyncDispose]: end,
  }
}
