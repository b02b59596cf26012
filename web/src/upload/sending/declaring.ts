// Tells the server what is coming, in waves: while one is sent the next is hashed, so that a large drop begins at once.
import type { ApiDeclared } from '../../../../src/api/batches.ts'
import { ask } from '../../api/client.ts'
import { Problem } from '../../api/problem.ts'
import { session } from '../../api/session.ts'
import { Backoff } from '../../live/backoff.ts'
import type { Entry } from '../entry.ts'
import { randomKey } from './random-key.ts'

/** A wave of a drop that is still being hashed has so many files, or bytes; the last one what is left. */
const WAVE_FILES = 1_000
const WAVE_BYTES = 64_000_000
/** Fewer than the server takes. */
const MOST_FILES = 10_000

export interface DeclaringDeps {
  /** Nothing more will be hashed just now. */
  isAllHashed(hashed: number): boolean
  isSenderLow(): boolean
  declared(entries: Entry[], answer: ApiDeclared): Promise<void>
  refused(entries: Entry[], why: string): void
}

export class Declaring {
  readonly #deps: DeclaringDeps
  readonly #backoff = new Backoff({ firstMs: 1_000, mostMs: 30_000 })
  #ready: Entry[] = []
  #bytes = 0
  #isBusy = false

  constructor(deps: DeclaringDeps) {
    this.#deps = deps
    addEventListener('online', () => this.#wake())
    session.onBegun(() => this.#wake())
  }

  #wake = () => {}

  add(entry: Entry): void {
    this.#ready.push(entry)
    this.#bytes += entry.size
  }

  drop(): void {
    this.#ready = []
    this.#bytes = 0
  }

  /** Declares if it is time. To be called whenever that may have changed. */
  look(): void {
    if (this.#isBusy || this.#ready.length === 0 || !this.#isDue()) return
    this.#isBusy = true
    void this.#declare(this.#take()).finally(() => {
      this.#isBusy = false
      this.look()
    })
  }

  #isDue(): boolean {
    const { isAllHashed, isSenderLow } = this.#deps
    if (isAllHashed(this.#ready.length) || this.#ready.length >= MOST_FILES) return true
    return isSenderLow() && (this.#ready.length >= WAVE_FILES || this.#bytes >= WAVE_BYTES)
  }

  #take(): Entry[] {
    const taken = this.#ready.splice(0, MOST_FILES)
    this.#bytes = this.#ready.reduce((sum, { size }) => sum + size, 0)
    return taken
  }

  async #declare(ready: Entry[]): Promise<void> {
    const entries = ready.filter(({ state }) => state === 'reading')
    if (entries.length === 0) return
    const body = { files: entries.map(({ name, size, sha256 }) => ({ name, size, sha256 })) }
    // The same key each time: an answer that got lost on its way left a batch, which is then the one we get.
    const headers = { 'idempotency-key': randomKey() }
    for (;;) {
      try {
        const answer = await ask<ApiDeclared>('/api/batches', { method: 'POST', body, headers })
        this.#backoff.reset()
        return await this.#deps.declared(entries, answer)
      } catch (error) {
        // It passes, tomorrow: nobody should look at a page that waits without a word.
        const isOver = error instanceof Problem && error.code === 'quota_exceeded'
        if (!(error instanceof Problem) || !error.isPassing || isOver) return this.#deps.refused(entries, (error as Error).message)
        await this.#pause(error.isSignedOut && session.isOver ? null : Math.max(this.#backoff.next(), error.retryAfterMs ?? 0))
      }
      if (entries.every(({ state }) => state !== 'reading')) return
    }
  }

  /** Without a time, until something is heard. */
  #pause(ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      if (ms !== null) setTimeout(resolve, ms)
    })
  }
}
