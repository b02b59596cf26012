// A batch as its page shows it: the ledger, kept live, and what can be done about what is not well.
import type { ApiBatch } from '../../../src/api/batches.ts'
import type { ApiNotification } from '../../../src/api/events.ts'
import { ask } from '../api/client.ts'
import { Problem } from '../api/problem.ts'
import { live } from '../live/live.svelte.ts'
import { announcer } from '../shell/announce.svelte.ts'
import { type FileFilter, indexIn } from './batch-file.ts'
import { BatchFiles } from './batch-files.svelte.ts'

/** While files change, the ledger is read so often. */
const REFRESH_EVERY_MS = 700
/** Files that are sent are not announced before they are images: an open batch is read now and then. */
const OPEN_REFRESH_MS = 10_000

export class Batch {
  ledger = $state.raw<ApiBatch | null>(null)
  /** Why there is no ledger. */
  problem = $state.raw<Problem | null>(null)
  /** Why what was asked for was not done. */
  refusal = $state('')
  isBusy = $state(false)
  files = $state.raw<BatchFiles>()!
  readonly id: string
  #timer: ReturnType<typeof setTimeout> | undefined
  #isDue = false
  #isEnded = false

  readonly isOpen = $derived(this.ledger !== null && this.ledger.needed + this.ledger.pending + this.ledger.processing > 0)
  /** From 0 to 1: what needs no more work, however it ended. */
  readonly progress = $derived.by(() => {
    if (this.ledger === null || this.ledger.declared === 0) return 0
    const { declared, needed, pending, processing } = this.ledger
    return (declared - needed - pending - processing) / declared
  })

  constructor(id: string, filter: FileFilter) {
    this.id = id
    this.files = new BatchFiles(id, filter)
  }

  /** Reads, and listens to what happens; returns the end of it. */
  start(): () => void {
    void this.refresh()
    const unsubscribe = live.subscribe({ changes: (changes) => this.#hear(changes), resync: () => this.#soon() })
    const clock = setInterval(() => this.isOpen && this.#soon(), OPEN_REFRESH_MS)
    return () => {
      this.#isEnded = true
      unsubscribe()
      clearInterval(clock)
      clearTimeout(this.#timer)
      this.files.close()
    }
  }

  show(filter: FileFilter): void {
    if (this.files.filter === filter) return
    this.files.close()
    this.files = new BatchFiles(this.id, filter)
  }

  async refresh(): Promise<void> {
    try {
      const wasOpen = this.isOpen
      this.ledger = await ask<ApiBatch>(`/api/batches/${this.id}`)
      this.problem = null
      if (wasOpen && !this.isOpen) announcer.say('This batch is done.')
    } catch (error) {
      if (error instanceof Problem) this.problem = error
    }
  }

  cancel = () => this.#act('cancel', 'The batch is cancelled.')
  retry = () => this.#act('retry', 'The failed files are tried again.')

  async retryImage(image: string): Promise<void> {
    await this.#during(async () => {
      await ask(`/api/images/${image}/retry`, { method: 'POST' })
      announcer.say('This file is tried again.')
    })
  }

  async #act(what: 'cancel' | 'retry', done: string): Promise<void> {
    await this.#during(async () => {
      this.ledger = await ask<ApiBatch>(`/api/batches/${this.id}/${what}`, { method: 'POST' })
      announcer.say(done)
    })
  }

  async #during(act: () => Promise<void>): Promise<void> {
    this.isBusy = true
    this.refusal = ''
    try {
      await act()
    } catch (error) {
      this.refusal = error instanceof Problem ? error.message : 'Something went wrong. Load the page again and try once more.'
    } finally {
      this.isBusy = false
      this.#soon()
    }
  }

  #hear(changes: ApiNotification[]): void {
    const ours = changes.filter(({ job_id }) => indexIn(this.id, job_id) !== -1)
    if (ours.length === 0) return
    this.files.apply(ours)
    this.#soon()
  }

  /** At once, and not again for a moment; then once more if there was reason to. */
  #soon(): void {
    this.#isDue = true
    this.#timer ??= setTimeout(() => void this.#refreshAll(), 0)
  }

  async #refreshAll(): Promise<void> {
    this.#isDue = false
    // The list of all has heard of its files itself, but for those that were not images before.
    const reads = this.files.filter === 'all' && this.ledger?.needed === 0 ? [this.refresh()] : [this.refresh(), this.files.refresh()]
    await Promise.all(reads)
    if (this.#isEnded) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#isDue) this.#soon()
    }, REFRESH_EVERY_MS)
  }
}
