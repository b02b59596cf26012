// One child as the server sees it: its start, what it has in hand, and the clock of each image.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { failpointEnv } from '../../failpoints.ts'
import type { ImageTask, TaskResult } from '../image-processor.ts'
import type { Semaphore } from '../../concurrency/semaphore.ts'
import type { FromChild, ToChild } from '../messages.ts'

/** One being developed and one waiting, so that a child never waits for a busy server. */
export const MOST_IN_HAND = 2
const START_TIMEOUT_MS = 30_000
/** Characters kept of what a child wrote on stderr before it died. */
const STDERR_TAIL = 2_000

/** V8's young generation: by itself it grows with the hours, to 78 MB of heap for the 10 MB that a child lives with. */
const MOST_YOUNG_MB = 4

const { NODE_COMPILE_CACHE } = process.env
const compileCacheEnv = NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }

/** A task on its way through the pool. */
export interface PooledTask {
  id: number
  image: ImageTask
  /** Children that died with it in hand, deadlines not counted. */
  deaths: number
  /** Its child asked for all the memory there is for pixels, and it may need more. */
  exceeds?: boolean
  resolve(result: TaskResult): void
}

/** A task in the hand of a child. The first that is not encoded is the one whose pixels are being worked on. */
interface Held {
  task: PooledTask
  encoded: boolean
  recalled: boolean
  timedOut: boolean
  clock?: NodeJS.Timeout
  /** Gives back the memory granted beyond the child's share, or withdraws the question. */
  release?: () => void
}

export interface ChildOptions {
  timeoutMs: number
  maxPixels: number
  /** Bytes an image may take without asking. */
  shareBytes: number
  /** Bytes there are for one image at most: what needs more is refused. */
  roomBytes: number
  /** Bytes for the images that need more than their child's share. */
  budget: Semaphore
  /** What goes before the command of a child: `confine`. */
  confinement: readonly string[]
}

/** What the pool is told. `onGone` comes once, last, and with whatever was in hand; nothing is written at its paths any more. */
export interface ChildEvents {
  onReady(): void
  onDone(task: PooledTask, result: TaskResult, cause: string | undefined): void
  onReturned(task: PooledTask): void
  onGone(held: { task: PooledTask; timedOut: boolean }[], reason: string, signal: NodeJS.Signals | null): void
}

export class Child {
  readonly #process: ChildProcess
  readonly #options: ChildOptions
  readonly #events: ChildEvents
  readonly #held = new Map<number, Held>()
  #stderr = ''
  #gone = false
  ready = false
  /** Was given anything yet. */
  fresh = true
  /** Takes nothing more: it was killed, or it is kept for one suspect. */
  reserved = false
  /** What it lacks of the system to develop anything, as it said before it was ended. */
  unable: string | null = null
  developed = 0

  /** Throws what the system says at once where it starts no process; what it says later is told by `onGone`. */
  constructor(options: ChildOptions, events: ChildEvents) {
    this.#options = options
    this.#events = events
    const [execPath = process.execPath, ...execArgv] = [...options.confinement, process.execPath, `--max-semi-space-size=${MOST_YOUNG_MB}`]
    const args = [options.maxPixels, options.shareBytes, options.roomBytes].map(String)
    this.#process = fork(fileURLToPath(new URL('../child/child.ts', import.meta.url)), args, {
      // No secret of the server's, no debugger port, no watch mode. What the settings are for: docs/decisions/0003-child-processes.md.
      env: { MALLOC_ARENA_MAX: '1', UV_THREADPOOL_SIZE: '3', VIPS_DISC_THRESHOLD: '4g', ...compileCacheEnv, ...failpointEnv },
      execPath,
      execArgv,
      // A session and a process group of its own: nothing of a terminal reaches it, and what it should start ends with it.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'json',
    })
    let isLate = false
    const starting = setTimeout(() => {
      isLate = true
      this.kill()
    }, START_TIMEOUT_MS)
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL)))
    this.#process.on('message', (message: FromChild) => {
      if (message.say === 'ready') clearTimeout(starting)
      if (!this.#gone) this.#hear(message)
    })
    const onGone = (reason: string, signal: NodeJS.Signals | null) => {
      clearTimeout(starting)
      if (!this.#gone) this.#die(reason, signal)
    }
    // Not 'exit': what it wrote last is read first.
    this.#process.on('close', (code, signal) => {
      onGone(isLate ? `not ready within ${START_TIMEOUT_MS} ms` : (signal ?? `exit code ${code}`), signal)
    })
    this.#process.on('exit', () => this.#killGroup())
    this.#process.on('error', (error) => {
      if (this.#process.pid === undefined) onGone(error.message, null)
    })
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }
  get inHand(): number {
    return this.#held.size
  }
  get working(): boolean {
    return this.#head() !== undefined
  }
  /** A task in hand that it has not begun, and that was not recalled yet. */
  get spare(): PooledTask | undefined {
    const [, next] = [...this.#held.values()].filter((held) => !held.encoded)
    return next && !next.recalled ? next.task : undefined
  }

  give(task: PooledTask): void {
    this.fresh = false
    const held: Held = { task, encoded: false, recalled: false, timedOut: false }
    this.#held.set(task.id, held)
    this.#send({ say: 'develop', id: task.id, task: task.image })
    if (this.#head() === held) this.#startClock(held)
  }

  /** Asks for a task back; `onReturned` follows if it was not begun. */
  recall(task: PooledTask): void {
    const held = this.#held.get(task.id)
    if (!held) return
    held.recalled = true
    this.#send({ say: 'recall', id: task.id })
  }

  kill(): void {
    this.reserved = true
    // One that was never started has none, and Node would send the signal to process 0: all of this group.
    if (this.pid > 0) this.#process.kill('SIGKILL')
  }

  /** What is left of its group when it has ended; the number of a group that is not empty is given to no other process. */
  #killGroup(): void {
    try {
      if (this.pid > 0) process.kill(-this.pid, 'SIGKILL')
    } catch {
      // Nothing, as ever.
    }
  }

  #head(): Held | undefined {
    for (const held of this.#held.values()) if (!held.encoded) return held
    return undefined
  }

  #hear(message: FromChild): void {
    if (message.say === 'ready') {
      this.ready = true
      this.#events.onReady()
      return
    }
    if (message.say === 'unable') {
      this.unable = message.reason
      this.kill()
      return
    }
    const held = this.#held.get(message.id)
    if (!held) return
    if (message.say === 'waiting') {
      // The clock stands still until there is memory.
      clearTimeout(held.clock)
      held.task.exceeds = message.bytes > this.#options.budget.capacity
      held.release = this.#options.budget.acquire(message.bytes, () => {
        this.#send({ say: 'granted', id: message.id })
        this.#startClock(held)
      })
    } else if (message.say === 'encoded') {
      held.encoded = true
      held.release?.()
      this.#startNext()
    } else {
      this.#drop(held)
      if (message.say === 'returned') return this.#events.onReturned(held.task)
      this.#startNext()
      if (message.result.outcome === 'developed') this.developed++
      this.#events.onDone(held.task, message.result, message.cause)
    }
  }

  #startNext(): void {
    const head = this.#head()
    if (head && !head.clock) this.#startClock(head)
  }

  #startClock(held: Held): void {
    held.clock = setTimeout(() => {
      held.timedOut = true
      this.kill()
    }, this.#options.timeoutMs)
  }

  #drop(held: Held): void {
    clearTimeout(held.clock)
    held.release?.()
    this.#held.delete(held.task.id)
  }

  #die(reason: string, signal: NodeJS.Signals | null): void {
    this.#gone = true
    const held = [...this.#held.values()]
    for (const each of held) this.#drop(each)
    this.#events.onGone(held, this.#stderr ? `${reason}: ${this.#stderr.trim()}` : reason, signal)
  }

  #send(message: ToChild): void {
    // A child that is gone hears nothing: its exit says so soon.
    this.#process.send(message, () => {})
  }
}
