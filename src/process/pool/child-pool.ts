// The image processor in use: long-lived children, each developing one image at a time, none of whose deaths harms the server.
import { rm } from 'node:fs/promises'
import { createSemaphore } from '../../concurrency/semaphore.ts'
import { type ErrorCode, ERRORS } from '../../error-codes.ts'
import type { Failure } from '../../image.ts'
import { Child, type ChildOptions, MOST_IN_HAND, type PooledTask } from './child-process.ts'
import { ChildStarts, type StartsLog } from './child-starts.ts'
import { confine, type Confinement } from './confinement.ts'
import type { ImageProcessor, ImageTask, TaskResult } from '../image-processor.ts'
import { roomForOne } from './memory-room.ts'

const MOST_DEATHS = 3

export interface ChildPoolOptions {
  /** Children, and images developed at once. */
  concurrency: number
  /** For one image, from when its child begins it, waiting for memory not counted. */
  timeoutMs: number
  /**
   * For the pixels of all images in hand, estimated. Half is split among the children, to go on with at once; the other half is
   * for the images that need more, which wait for it in line.
   */
  memoryBytes: number
  /** For one image alone, of all the memory there is; what surely needs more is refused. What this machine has, unless given. */
  roomBytes?: number
  /** Of one image, all frames. */
  maxPixels: number
  log?: StartsLog
}

/** Starts its children at once, in the background; tasks wait for them. */
export function createChildPool(options: ChildPoolOptions): ImageProcessor {
  return new ChildPool(options)
}

class ChildPool implements ImageProcessor {
  readonly capacity: number
  readonly #childOptions: Omit<ChildOptions, 'confinement'>
  readonly #confine: () => Promise<Confinement>
  readonly #log: StartsLog | undefined
  readonly #starts: ChildStarts
  readonly #children = new Set<Child>()
  readonly #queue: PooledTask[] = []
  /** What a child that died had in hand: each is tried again alone in a fresh child, so that the guilty one is found. */
  readonly #suspects: PooledTask[] = []
  readonly #emptied = Promise.withResolvers<void>()
  /** What this system grants; asked again after a start has failed, as it may be the reason. */
  #confinement: Promise<Confinement> | null = null
  /** Not in `#children` yet. */
  #starting = 0
  #lastId = 0
  #replaced = 0
  /** By children that are gone. */
  #developed = 0
  #closed = false

  constructor({ concurrency, timeoutMs, memoryBytes, roomBytes = roomForOne(concurrency), maxPixels, log }: ChildPoolOptions) {
    this.capacity = concurrency * MOST_IN_HAND
    const shareBytes = Math.floor(memoryBytes / 2 / concurrency)
    this.#childOptions = {
      timeoutMs,
      maxPixels,
      shareBytes,
      // Who gives more to pixels than would be left has said so.
      roomBytes: Math.max(roomBytes, memoryBytes),
      budget: createSemaphore(memoryBytes - shareBytes * concurrency),
    }
    this.#confine = () => confine(maxPixels, memoryBytes)
    this.#log = log
    this.#starts = new ChildStarts(() => void this.#start(), log)
    for (let i = 0; i < concurrency; i++) void this.#start()
  }

  develop(image: ImageTask): Promise<TaskResult> {
    const { promise, resolve } = Promise.withResolvers<TaskResult>()
    const task = { id: ++this.#lastId, image, deaths: 0, resolve }
    if (this.#closed || this.#starts.obstacle !== null) return Promise.resolve({ outcome: 'interrupted' })
    this.#queue.push(task)
    this.#dispatch()
    return promise
  }

  obstacle(): string | null {
    return this.#starts.obstacle
  }

  whenAble(): Promise<void> {
    return this.#starts.whenAble()
  }

  stats() {
    // One that is being tried is none yet.
    const children = this.#starts.obstacle === null ? [...this.#children] : []
    const { shareBytes, budget } = this.#childOptions
    return {
      children: children.map(({ pid, inHand, developed }) => ({ pid, busy: inHand > 0, developed })),
      developed: children.reduce((sum, { developed }) => sum + developed, this.#developed),
      replaced: this.#replaced,
      bytesInFlight: children.filter((child) => child.working).length * shareBytes + budget.inUse(),
    }
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true
    this.#starts.close()
    this.#interruptWaiting()
    for (const child of this.#children) {
      if (child.inHand === 0) child.kill()
      else if (child.spare) child.recall(child.spare)
    }
    if (this.#children.size === 0) this.#emptied.resolve()
    const grace = setTimeout(() => this.#children.forEach((child) => child.kill()), graceMs)
    await this.#emptied.promise
    clearTimeout(grace)
  }

  async #start(): Promise<void> {
    this.#starting++
    try {
      this.#confinement ??= this.#askForConfinement()
      const { command } = await this.#confinement
      if (!this.#closed) this.#spawn(command)
      this.#starting--
    } catch (error) {
      this.#starting--
      this.#onStartFailed((error as Error).message)
    }
  }

  async #askForConfinement(): Promise<Confinement> {
    const confinement = await this.#confine()
    const { missing } = confinement
    if (missing.length > 0) this.#log?.debug({ missing }, 'this system does not confine the children that develop images in every way')
    return confinement
  }

  /** Throws what the system says where it starts no process. */
  #spawn(confinement: string[]): void {
    const child: Child = new Child(
      { ...this.#childOptions, confinement },
      {
        onReady: () => {
          this.#starts.ready()
          this.#dispatch()
        },
        onDone: (task, result, cause) => {
          if (cause) this.#log?.debug({ sha256: task.image.sha256, cause }, 'an image could not be developed')
          void this.#finish(task, result)
          this.#putToUse(child)
        },
        onReturned: (task) => {
          if (this.#closed) void this.#finish(task, { outcome: 'interrupted' })
          else this.#queue.unshift(task)
          this.#putToUse(child)
        },
        onGone: (held, reason, signal) => this.#onGone(child, held, reason, signal),
      },
    )
    this.#children.add(child)
  }

  #onGone(child: Child, held: { task: PooledTask; timedOut: boolean }[], reason: string, signal: NodeJS.Signals | null): void {
    this.#children.delete(child)
    this.#developed += child.developed
    if (this.#closed) {
      for (const { task } of held) void this.#finish(task, { outcome: 'interrupted' })
      if (this.#children.size === 0) this.#emptied.resolve()
      return
    }
    // No image is the reason, and to start the next one at once might go on for ever.
    if (child.fresh || child.unable !== null) {
      for (const { task } of held.toReversed()) this.#queue.unshift(task)
      return this.#onStartFailed(child.unable ?? reason)
    }
    void this.#start()
    // A suspect's child is ended on purpose once its suspect is done.
    if (held.length === 0 && child.reserved) return
    this.#replaced++
    this.#log?.warn({ pid: child.pid, reason, images: held.map(({ task }) => task.image.sha256) }, 'a child died and was replaced')
    this.#judge(held, signal === 'SIGKILL')
    this.#dispatch()
  }

  #onStartFailed(reason: string): void {
    if (this.#closed) return
    this.#confinement = null
    this.#starts.failed(reason, this.#children.size + this.#starting === 0)
    // Others may be able to, and else it is begun anew.
    if (this.#starts.obstacle !== null) this.#interruptWaiting()
  }

  #interruptWaiting(): void {
    for (const task of [...this.#queue.splice(0), ...this.#suspects.splice(0)]) void this.#finish(task, { outcome: 'interrupted' })
  }

  /**
   * A deadline has its one culprit, what else was in hand is innocent; any other death makes suspects of all. Killed, not crashed, while
   * it may have taken more memory than there is for pixels: that is how a system ends who takes more than there is at all.
   */
  #judge(held: { task: PooledTask; timedOut: boolean }[], isKilled: boolean): void {
    const deadline = held.some(({ timedOut }) => timedOut)
    for (const { task, timedOut } of held.toReversed()) {
      if (timedOut) void this.#finish(task, { outcome: 'failed', failure: failure('processing_timeout') })
      else if (deadline) this.#queue.unshift(task)
      else if (++task.deaths < MOST_DEATHS) this.#suspects.push(task)
      else
        void this.#finish(task, {
          outcome: 'failed',
          failure: failure(isKilled && task.exceeds ? 'not_enough_memory' : 'processing_crashed'),
        })
    }
  }

  #putToUse(child: Child): void {
    // What a suspect left behind in its child is not to be known: it served for this one image.
    if (child.inHand === 0 && (this.#closed || child.reserved)) child.kill()
    else this.#dispatch()
  }

  #dispatch(): void {
    if (this.#closed) return
    const ready = [...this.#children].filter((child) => child.ready && !child.reserved)
    for (const child of ready.filter(({ fresh }) => fresh)) {
      const suspect = this.#suspects.shift()
      if (!suspect) break
      child.reserved = true
      child.give(suspect)
    }
    const open = ready.filter(({ reserved }) => !reserved)
    const leastLoaded = () => open.reduce((least, child) => (child.inHand < least.inHand ? child : least))
    if (open.length === 0) return
    while (this.#queue.length > 0 && leastLoaded().inHand < MOST_IN_HAND) leastLoaded().give(this.#queue.shift()!)
    // A child with nothing to do takes what waits behind another's image.
    if (this.#queue.length > 0 || leastLoaded().inHand > 0) return
    const behind = open.find(({ spare }) => spare)
    if (behind?.spare) behind.recall(behind.spare)
  }

  /** Unless it is developed, nothing is left at the paths; whoever could write there has ended. */
  async #finish(task: PooledTask, result: TaskResult): Promise<void> {
    if (result.outcome !== 'developed') {
      await Promise.all(task.image.outputs.map(({ path }) => rm(path, { force: true }).catch(() => {})))
    }
    task.resolve(result)
  }
}

const failure = (code: ErrorCode): Failure => ({ code, error: ERRORS[code] })
