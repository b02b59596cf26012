// Bulk actions that go on in the background: how far each is, and what became of it.
import type { ApiJob } from '../../../../src/api/jobs.ts'
import { ask } from '../../api/client.ts'
import { formatCount, plural } from '../../parts/format.ts'
import { sentenceOf } from '../../parts/sentence.ts'
import { announcer } from '../../shell/announce.svelte.ts'

const RUNNING_MS = 700
const IDLE_MS = 15_000
const SHOWN = 20

export const isOver = ({ state }: ApiJob) => state === 'done' || state === 'cancelled' || state === 'failed'

export const nameOf = ({ action, total }: ApiJob) => `${action === 'delete' ? 'Deleting' : 'Retrying'} ${plural(total, 'image')}`

/** How far it is, or how it ended. */
export function standingOf({ state, seen, changed, total, action, error }: ApiJob): string {
  const done = action === 'delete' ? 'deleted' : 'tried again'
  if (state === 'waiting') return 'Waiting for its turn'
  if (state === 'running') return `${formatCount(seen)} of ${formatCount(total)}`
  if (state === 'failed') return error ?? 'It failed.'
  return `${state === 'cancelled' ? 'Cancelled: ' : ''}${plural(changed, 'image')} ${done}`
}

class Jobs {
  /** Newest first. */
  all = $state.raw<ApiJob[]>([])
  problem = $state.raw('')
  /** Of this tab: those that are still to be looked at. */
  #watched = $state.raw<ReadonlySet<string>>(new Set())
  readonly #listeners = new Set<() => void>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #users = 0
  /** Counts jobs begun here: a list that was asked for before knows nothing of them. */
  #turn = 0

  readonly shown = $derived.by(() => this.all.filter((job) => !isOver(job) || this.#watched.has(job.id)))

  /** While an admin page is open; returns the end of it. */
  start(): () => void {
    this.#users++
    void this.#read()
    return () => {
      this.#users--
      if (this.#users === 0) clearTimeout(this.#timer)
    }
  }

  /** Called when a job came to its end; returns the end of it. */
  onOver(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  add(job: ApiJob): void {
    this.#turn++
    this.all = [job, ...this.all]
    this.#watched = new Set([...this.#watched, job.id])
    announcer.say(`${nameOf(job)} in the background.`)
    this.#in(RUNNING_MS)
  }

  async cancel({ id }: ApiJob): Promise<void> {
    try {
      await ask(`/api/admin/jobs/${id}/cancel`, { method: 'POST' })
      this.problem = ''
    } catch (error) {
      this.problem = sentenceOf(error)
    }
    await this.#read()
  }

  dismiss({ id }: ApiJob): void {
    this.#watched = new Set([...this.#watched].filter((watched) => watched !== id))
  }

  async #read(): Promise<void> {
    clearTimeout(this.#timer)
    const turn = this.#turn
    try {
      const read = await ask<ApiJob[]>(`/api/admin/jobs?limit=${SHOWN}`)
      if (turn === this.#turn) this.#take(read)
    } catch {
      // Asked again below; the header says if the server is away.
    }
    this.#in(this.all.every(isOver) ? IDLE_MS : RUNNING_MS)
  }

  #take(read: ApiJob[]): void {
    const running = new Set(this.all.filter((job) => !isOver(job)).map(({ id }) => id))
    const ended = read.filter((job) => isOver(job) && running.has(job.id))
    // One that runs stays to be looked at when it is over.
    this.#watched = new Set([...this.#watched, ...read.filter((job) => !isOver(job)).map(({ id }) => id)])
    this.all = read
    for (const job of ended) announcer.say(standingOf(job))
    if (ended.length > 0) this.#listeners.forEach((listener) => listener())
  }

  #in(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#users > 0) this.#timer = setTimeout(() => void this.#read(), ms)
  }
}

export const jobs = new Jobs()
