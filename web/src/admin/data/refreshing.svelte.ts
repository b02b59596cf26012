// Something the server tells that changes by itself: read now and then while it is looked at, and soon after images change.
import { ask } from '../../api/client.ts'
import { live } from '../../live/live.svelte.ts'
import { sentenceOf } from '../../parts/sentence.ts'

/** However fast images change, it is asked no more often. */
const LIVE_GAP_MS = 1_000

export class Refreshing<T> {
  value = $state.raw<T | null>(null)
  /** Why there is no news; what was read before stays. */
  problem = $state.raw('')
  readonly #path: string
  readonly #everyMs: number
  #timer: ReturnType<typeof setTimeout> | undefined
  #reading: Promise<void> | null = null
  #isEnded = false
  #readAt = 0

  constructor(path: string, everyMs: number) {
    this.#path = path
    this.#everyMs = everyMs
  }

  /** Begins; returns the end of it. */
  start(): () => void {
    void this.refresh()
    const unsubscribe = live.subscribe({ changes: () => this.#soon(), resync: () => this.#soon() })
    const shown = () => document.visibilityState === 'visible' && this.#soon()
    document.addEventListener('visibilitychange', shown)
    return () => {
      this.#isEnded = true
      unsubscribe()
      document.removeEventListener('visibilitychange', shown)
      clearTimeout(this.#timer)
    }
  }

  /** Resolves when it is as it was after this call. Never rejects. */
  async refresh(): Promise<void> {
    await this.#reading
    this.#reading ??= this.#read().finally(() => (this.#reading = null))
    await this.#reading
  }

  async #read(): Promise<void> {
    clearTimeout(this.#timer)
    try {
      const value = await ask<T>(this.#path)
      if (this.#isEnded) return
      this.value = value
      this.problem = ''
    } catch (error) {
      this.problem = sentenceOf(error)
    }
    this.#readAt = performance.now()
    this.#in(this.#everyMs)
  }

  #soon(): void {
    if (this.#reading === null) this.#in(Math.max(0, this.#readAt + LIVE_GAP_MS - performance.now()))
  }

  #in(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#isEnded || document.visibilityState === 'hidden') return
    this.#timer = setTimeout(() => void this.refresh(), ms)
  }
}
