// When children are started again after a start has failed, and what is said meanwhile: ever longer pauses, one attempt at a time.
import { explainStartFailure } from './start-failure.ts'

const MIN_PAUSE_MS = 100
const MAX_PAUSE_MS = 10_000
/** In a row, once children have run at all: 1.5 s. What has never worked is not waited for. */
const MAX_FAILED_STARTS = 5
/** After the last failure; then the next one is the first again. */
const FORGOTTEN_MS = 60_000

export interface StartsLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  debug(fields: object, message: string): void
}

export class ChildStarts {
  readonly #start: () => void
  readonly #log: StartsLog | undefined
  /** Children that are to be started again. */
  #missing = 0
  #failed = 0
  #failedAt = 0
  #everReady = false
  #timer: NodeJS.Timeout | undefined
  #able = Promise.withResolvers<void>()
  /** Why no child can be started: a sentence for a person. Null while one is there or there is hope of one. */
  obstacle: string | null = null

  constructor(start: () => void, log: StartsLog | undefined) {
    this.#start = start
    this.#log = log
    this.#able.resolve()
  }

  /** Resolves as soon as there is no obstacle. */
  whenAble(): Promise<void> {
    return this.#able.promise
  }

  /** A child is ready; it may still end before it has done anything. */
  ready(): void {
    this.#everReady = true
    if (this.obstacle !== null) {
      this.#log?.info({}, 'a child process could be started again; what waits is processed')
      this.obstacle = null
      this.#able.resolve()
    }
    this.#startNext()
  }

  /**
   * A child ended before it was given anything, or because it can do nothing: it is started again after a pause. `isLast`: no other is
   * there or being started.
   */
  failed(reason: string, isLast: boolean): void {
    const now = performance.now()
    if (now - this.#failedAt > FORGOTTEN_MS) this.#failed = 0
    this.#failedAt = now
    const pauseMs = Math.min(MIN_PAUSE_MS * 2 ** this.#failed++, MAX_PAUSE_MS)
    const isObstacle = isLast && (!this.#everReady || this.#failed >= MAX_FAILED_STARTS)
    this.#tell(reason, pauseMs, isObstacle)
    if (isObstacle) {
      if (this.obstacle === null) this.#able = Promise.withResolvers<void>()
      this.obstacle = explainStartFailure(reason)
    }
    this.#missing++
    this.#timer ??= setTimeout(() => this.#startNext(), pauseMs)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#missing = 0
    this.#able.resolve()
  }

  /** Once when it begins and once when it stops all work, however often it is tried. */
  #tell(reason: string, pauseMs: number, isObstacle: boolean): void {
    const fields = { reason, pauseMs }
    if (isObstacle && this.obstacle === null) this.#log?.error(fields, explainStartFailure(reason))
    else if (this.#failed === 1) this.#log?.warn(fields, 'a child process could not be started; it is tried again')
    else this.#log?.debug(fields, 'a child process could not be started')
  }

  #startNext(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#missing === 0) return
    this.#missing--
    this.#start()
  }
}
