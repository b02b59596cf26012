// Sends what the server needs: bundles, a few in flight, patient with networks and servers that come and go.
import type { ApiImage } from '../../../../src/api/images.ts'
import type { ApiRejected } from '../../../../src/api/uploads.ts'
import { Problem, unreachable } from '../../api/problem.ts'
import { session } from '../../api/session.ts'
import { Backoff } from '../../live/backoff.ts'
import type { EntryList } from '../entry-list.svelte.ts'
import type { Entry } from '../entry.ts'
import { postBundle, type Sending } from './post-bundle.ts'
import { UNREADABLE } from '../telling/sentences.ts'

const BUNDLE_FILES = 100
const BUNDLE_BYTES = 8_000_000
const IN_FLIGHT = 3
/** What a server neither takes nor refuses is not sent for ever. */
const MOST_TRIES = 5

export interface SenderDeps {
  list: EntryList
  taken(entry: Entry, image: ApiImage): void
  refused(entry: Entry, why: Pick<ApiRejected, 'code' | 'error'>): void
  /** The server does not know their batch any more. */
  orphaned(entries: Entry[]): void
}

interface Flight {
  entries: Entry[]
  bytes: number
  loaded: number
  sending: Sending
}

export class Sender {
  /** Why nothing is sent just now though something waits; null while all is well. */
  holdup = $state.raw<'offline' | Problem | null>(null)
  readonly #deps: SenderDeps
  readonly #queue: Entry[] = []
  readonly #flights = new Set<Flight>()
  readonly #tries = new WeakMap<Entry, number>()
  readonly #backoff = new Backoff({ firstMs: 1_000, mostMs: 30_000 })
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(deps: SenderDeps) {
    this.#deps = deps
    addEventListener('offline', () => this.#goOffline())
    addEventListener('online', () => this.#goOn())
    session.onBegun(() => this.#goOn())
    if (!navigator.onLine) this.holdup = 'offline'
  }

  /** Sent so far of what is being sent. */
  get loadedBytes(): number {
    let bytes = 0
    for (const flight of this.#flights) bytes += flight.loaded
    return bytes
  }

  /** Little is left to send: more should be declared. */
  get isLow(): boolean {
    return this.#deps.list.count.waiting < BUNDLE_FILES
  }

  /** Declared files, with their bytes. */
  add(entries: readonly Entry[]): void {
    for (const entry of entries) this.#deps.list.change(entry, { state: 'waiting', why: null })
    this.#queue.push(...entries)
    this.#next()
  }

  /** Ends what is in flight; their entries are whatever their owner made of them. */
  abort(): void {
    this.#queue.length = 0
    for (const { sending } of this.#flights) sending.abort()
  }

  #next(): void {
    while (this.holdup === null && this.#flights.size < IN_FLIGHT) {
      const entries = this.#take()
      if (entries.length === 0) return
      void this.#send(entries)
    }
  }

  /** The next bundle: files of one batch, and only those that still wait. */
  #take(): Entry[] {
    const bundle: Entry[] = []
    let bytes = 0
    let at = 0
    for (; at < this.#queue.length && bundle.length < BUNDLE_FILES; at++) {
      const entry = this.#queue[at]!
      if (entry.state !== 'waiting' || entry.file === null) continue
      if (bundle.length > 0 && (entry.batch !== bundle[0]!.batch || bytes + entry.size > BUNDLE_BYTES)) break
      bundle.push(entry)
      bytes += entry.size
    }
    this.#queue.splice(0, at)
    return bundle
  }

  async #send(entries: Entry[]): Promise<void> {
    const { list } = this.#deps
    for (const entry of entries) list.change(entry, { state: 'sending' })
    const bytes = entries.reduce((sum, { size }) => sum + size, 0)
    const flight: Flight = {
      entries,
      bytes,
      loaded: 0,
      sending: postBundle(entries[0]!.batch!, entries, (loaded) => {
        // The body has headers, too.
        flight.loaded = Math.min(bytes, loaded)
        list.touch()
      }),
    }
    this.#flights.add(flight)
    try {
      const { images, rejected } = await flight.sending.answer
      this.#flights.delete(flight)
      this.#backoff.reset()
      this.#settle(entries, images, rejected)
    } catch (error) {
      this.#flights.delete(flight)
      await this.#fail(entries, error instanceof Problem ? error : unreachable())
    }
    this.#next()
  }

  #settle(entries: Entry[], images: ApiImage[], rejected: ApiRejected[]): void {
    const { taken, refused } = this.#deps
    const byIndex = new Map(entries.map((entry) => [entry.index, entry]))
    const settle = (index: number | undefined, how: (entry: Entry) => void) => {
      const entry = index === undefined ? undefined : byIndex.get(index)
      if (!entry) return
      byIndex.delete(index!)
      how(entry)
    }
    for (const image of images) settle(Number(image.job_id.slice(image.job_id.lastIndexOf('-') + 1)), (entry) => taken(entry, image))
    for (const why of rejected) settle(why.index, (entry) => refused(entry, why))
    // Nothing was said of them: the body was cut off on its way.
    this.#requeue([...byIndex.values()])
  }

  async #fail(entries: Entry[], problem: Problem): Promise<void> {
    const { refused, orphaned } = this.#deps
    const sending = entries.filter(({ state }) => state === 'sending')
    if (problem.code === 'not_found') return orphaned(sending)
    if (!problem.isPassing) return sending.forEach((entry) => refused(entry, { code: 'internal', error: problem.message }))
    // A file that changed under us breaks its request just as a network does.
    const gone = problem.status === 0 ? await unreadable(sending) : new Set<Entry>()
    for (const entry of gone) refused(entry, { code: 'internal', error: UNREADABLE })
    this.#requeue(
      sending.filter((entry) => !gone.has(entry)),
      problem.status !== 0 && problem.status !== 503 && !problem.isSignedOut,
    )
    if (gone.size === 0) this.#hold(problem)
  }

  /** To the front: they were first. */
  #requeue(entries: Entry[], isCounted = true): void {
    const again = entries.filter((entry) => {
      if (entry.state !== 'sending') return false
      const tries = (this.#tries.get(entry) ?? 0) + (isCounted ? 1 : 0)
      this.#tries.set(entry, tries)
      if (tries < MOST_TRIES) return true
      this.#deps.refused(entry, {
        code: 'internal',
        error: 'The server did not take this file, however often it was sent. Try again later.',
      })
      return false
    })
    for (const entry of again) this.#deps.list.change(entry, { state: 'waiting' })
    this.#queue.unshift(...again)
  }

  #hold(problem: Problem): void {
    if (this.holdup !== null) return
    this.holdup = navigator.onLine ? problem : 'offline'
    // Nothing helps but signing in, which is heard of.
    if (this.holdup === 'offline' || (problem.isSignedOut && session.isOver)) return
    this.#timer = setTimeout(() => this.#goOn(), Math.max(this.#backoff.next(), problem.retryAfterMs ?? 0))
  }

  #goOffline(): void {
    clearTimeout(this.#timer)
    this.holdup = 'offline'
    for (const { sending } of this.#flights) sending.abort()
  }

  #goOn(): void {
    clearTimeout(this.#timer)
    this.holdup = null
    this.#next()
  }
}

async function unreadable(entries: Entry[]): Promise<Set<Entry>> {
  const gone = new Set<Entry>()
  for (const entry of entries) {
    await entry
      .file!.slice(0, 1)
      .arrayBuffer()
      .catch(() => gone.add(entry))
  }
  return gone
}
