// A few workers that read files: looking comes before hashing, so that what is no image is told at once.
import type { Job, JobDone } from './hash-worker.ts'

const MOST_WORKERS = 4
const LOOK_AT_ONCE = 200
/** A message for each small file would cost more than its hash. */
const HASH_FILES = 24
const HASH_BYTES = 4_000_000

interface Waiting {
  task: Job['task']
  file: File
  done: (result: boolean | string | null) => void
}

export class HashPool {
  readonly #workers: Worker[] = []
  readonly #idle: Worker[] = []
  readonly #looks: Waiting[] = []
  #hashes: Waiting[] = []
  readonly #jobs = new Map<number, { worker: Worker; lot: Waiting[] }>()
  #lastId = 0

  /** Whether it is an image; null if it can't be read. */
  look(file: File): Promise<boolean | null> {
    return this.#put(this.#looks, 'look', file) as Promise<boolean | null>
  }

  /** Its SHA-256 in hex; null if it can't be read, or was dropped. */
  hash(file: File): Promise<string | null> {
    return this.#put(this.#hashes, 'hash', file) as Promise<string | null>
  }

  /** What is not yet begun is not begun. */
  drop(): void {
    for (const { done } of [...this.#looks.splice(0), ...this.#hashes.splice(0)]) done(null)
  }

  #put(queue: Waiting[], task: Job['task'], file: File): Promise<boolean | string | null> {
    return new Promise((done) => {
      queue.push({ task, file, done })
      // Those that are asked for in one go make one lot.
      queueMicrotask(() => this.#next())
    })
  }

  #next(): void {
    while (this.#looks.length + this.#hashes.length > 0) {
      const worker = this.#idle.pop() ?? this.#grow()
      if (!worker) return
      const lot = this.#looks.length > 0 ? this.#looks.splice(0, LOOK_AT_ONCE) : this.#takeHashes()
      const id = ++this.#lastId
      this.#jobs.set(id, { worker, lot })
      worker.postMessage({ id, task: lot[0]!.task, files: lot.map(({ file }) => file) } satisfies Job)
    }
  }

  #takeHashes(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { file } of this.#hashes) {
      if (count === HASH_FILES || (count > 0 && bytes + file.size > HASH_BYTES)) break
      bytes += file.size
      count++
    }
    return this.#hashes.splice(0, count)
  }

  /** The page and the server want a core, too. */
  #grow(): Worker | null {
    const most = Math.max(1, Math.min(MOST_WORKERS, navigator.hardwareConcurrency - 1))
    if (this.#workers.length >= most) return null
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url), { type: 'module', name: 'hash' })
    worker.onmessage = ({ data }: MessageEvent<JobDone>) => this.#finish(data)
    // It could not be loaded, or broke: its files are as if they could not be read.
    worker.onerror = () => {
      for (const [id, job] of this.#jobs) if (job.worker === worker) this.#finish({ id, results: job.lot.map(() => null) })
    }
    this.#workers.push(worker)
    return worker
  }

  #finish({ id, results }: JobDone): void {
    const { worker, lot } = this.#jobs.get(id)!
    this.#jobs.delete(id)
    this.#idle.push(worker)
    lot.forEach(({ done }, at) => done(results[at] ?? null))
    this.#next()
  }
}
