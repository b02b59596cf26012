// The images of one filter in their order, read by keyset from both ends towards whatever is being looked at.
import type { ApiNotification } from '../../../../src/api/events.ts'
import { type Filter, REVERSED } from './filter.ts'
import { type Photo, withChange } from './photo.ts'
import { type End, type PhotoPage, TwoEnds } from './two-ends.ts'

/** Where a list comes from: the API, by its filter. */
export interface PhotoSource {
  page(filter: Filter, options: { limit: number; cursor: string | null; signal: AbortSignal }): Promise<PhotoPage>
  count(filter: Filter, signal: AbortSignal): Promise<number>
}

const SMALL_PAGE = 200
const LARGE_PAGE = 1_000
/** So many pages of news are read before the list is better opened anew. */
const MAX_NEWS_PAGES = 5

/** Two places, both included. */
type Range = [first: number, last: number]

/**
 * Places run from 0 to `total` - 1. What was not read yet has a place but no photo: `need` says which places are looked at, and
 * they are read from the nearer end. `version` changes with every change; read it to hear of them.
 */
export class PhotoList {
  version = $state(0)
  total = $state(0)
  /** `loading` until its first page is there; `failed` when reading stopped, until `retry`. */
  state = $state.raw<'loading' | 'ready' | 'failed'>('loading')
  problem = $state.raw<unknown>(null)
  /** How many images are new since it was read. */
  arrived = $state(0)

  readonly filter: Filter
  readonly #source: PhotoSource
  readonly #ends = new TwoEnds()
  readonly #closed = new AbortController()
  #needed: Range = [0, 0]
  readonly #asked = new Set<Range>()
  #reading: Promise<void> | null = null
  #news: PhotoPage | null = null

  constructor(filter: Filter, source: PhotoSource) {
    this.filter = filter
    this.#source = source
  }

  /** Reads the first page and the count. */
  async open(): Promise<void> {
    try {
      const [total, page] = await Promise.all([
        this.#source.count(this.filter, this.#closed.signal),
        this.#page(this.#ends.head, SMALL_PAGE),
      ])
      this.total = total
      this.#ends.take(this.#ends.head, page)
      this.state = 'ready'
      this.#changed()
    } catch (error) {
      this.#fail(error)
    }
  }

  close(): void {
    this.#closed.abort()
  }

  at(place: number): Photo | undefined {
    const { shownHead, shownTail } = this.#ends
    return place < shownHead.length ? shownHead[place] : shownTail[this.total - 1 - place]
  }

  /** Its place among what was read so far, or -1. */
  placeOf(id: string): number {
    if (!this.#ends.knows(id)) return -1
    const { shownHead, shownTail } = this.#ends
    const place = shownHead.findIndex((photo) => photo.id === id)
    if (place !== -1) return place
    const fromEnd = shownTail.findIndex((photo) => photo.id === id)
    return fromEnd === -1 ? -1 : this.total - 1 - fromEnd
  }

  knows(id: string): boolean {
    return this.#ends.knows(id)
  }

  /** Reads from the beginning until the image is found, while it is wanted; gives its place, or -1. */
  async locate(id: string, isWanted: () => boolean): Promise<number> {
    for (let read = -1; this.placeOf(id) === -1 && read < this.#ends.shownHead.length && isWanted();) {
      read = this.#ends.shownHead.length
      await this.read(read, read + LARGE_PAGE - 1)
    }
    return this.placeOf(id)
  }

  /** These places are looked at: what is missing of them is read next, and what was looked at before is not waited for. */
  need(first: number, last: number): void {
    this.#needed = [first, last]
    void this.#go()
  }

  /** Reads until these places have their photos, besides those that are looked at. Never rejects: see `state`. */
  async read(first: number, last: number): Promise<void> {
    const asked: Range = [first, last]
    this.#asked.add(asked)
    while (this.state === 'ready' && this.#missing(asked) !== null) await this.#go()
    this.#asked.delete(asked)
  }

  /** After `failed`. */
  async retry(): Promise<void> {
    const wasOpen = this.version > 0
    this.state = wasOpen ? 'ready' : 'loading'
    await (wasOpen ? this.#go() : this.open())
  }

  /** Takes images of this list out of sight; `show` brings them back to their places. */
  hide(ids: readonly string[]): void {
    this.total -= this.#ends.hide(ids)
    this.#changed()
  }

  show(ids: readonly string[]): void {
    this.total += this.#ends.unhide(ids)
    this.#changed()
  }

  /** Those that were hidden and are now deleted. */
  drop(ids: readonly string[]): void {
    this.#ends.drop(ids)
    this.#changed()
  }

  /** What was announced about images that are here. */
  apply(changes: readonly ApiNotification[]): void {
    const latest = new Map(changes.filter(({ id }) => this.#ends.knows(id)).map((change) => [change.id, change]))
    if (latest.size === 0) return
    this.#ends.update((photo) => {
      const change = latest.get(photo.id)
      return change === undefined ? photo : withChange(photo, change)
    })
    this.#changed()
  }

  /** Puts what is known better in its place. */
  replace(better: Photo): void {
    this.#ends.update((photo) => (photo.id === better.id ? better : photo))
    this.#changed()
  }

  /** Looks whether there is something new: `arrived` says how much, `admit` shows it. */
  async look(): Promise<void> {
    if (this.state !== 'ready') return
    const { signal } = this.#closed
    try {
      if (this.filter.sort !== 'newest') {
        const count = await this.#source.count(this.filter, signal)
        this.arrived = Math.max(0, count - this.total - this.#ends.hidden)
        return
      }
      const photos: Photo[] = []
      let next: string | null = null
      for (let pages = 0; pages < MAX_NEWS_PAGES; pages++) {
        const page = await this.#source.page(this.filter, { limit: SMALL_PAGE, cursor: next, signal })
        photos.push(...page.photos)
        next = page.next
        if (next === null || this.#ends.knows(photos.at(-1)?.id ?? '')) break
      }
      this.#news = { photos, next }
      this.arrived = photos.filter(({ id }) => !this.#ends.knows(id)).length
    } catch {
      // Not worth a word: the next change looks again.
    }
  }

  /**
   * Shows the beginning of the list as `look` found it. False if that can't be done in place (another order than newest first, or
   * too much of it): then the list has to be opened anew.
   */
  admit(): boolean {
    const news = this.#news
    this.#news = null
    if (news === null) return this.arrived === 0
    const before = this.#ends.shown
    if (!this.#ends.takeBeginning(news)) return false
    this.total += this.#ends.shown - before
    this.arrived = 0
    this.#changed()
    return true
  }

  #go(): Promise<void> {
    if (this.state !== 'ready') return Promise.resolve()
    this.#reading ??= this.#readMissing().finally(() => (this.#reading = null))
    return this.#reading
  }

  async #readMissing(): Promise<void> {
    try {
      for (let missing = this.#nextMissing(); missing !== null; missing = this.#nextMissing()) {
        const { head, tail, shownHead, shownTail } = this.#ends
        const fromHead = missing[1] + 1 - shownHead.length
        const fromTail = this.total - missing[0] - shownTail.length
        const end = fromTail < fromHead ? tail : head
        const page = await this.#page(end, Math.min(fromHead, fromTail) > SMALL_PAGE ? LARGE_PAGE : SMALL_PAGE)
        this.#ends.take(end, page)
        this.#changed()
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  #nextMissing(): Range | null {
    for (const range of [this.#needed, ...this.#asked]) {
      const missing = this.#missing(range)
      if (missing !== null) return missing
    }
    return null
  }

  /** Of these places, those that were not read. */
  #missing([from, to]: Range): Range | null {
    if (this.#ends.isComplete) return null
    const first = Math.max(from, this.#ends.shownHead.length)
    const last = Math.min(to, this.total - 1 - this.#ends.shownTail.length)
    return first <= last ? [first, last] : null
  }

  #page(end: End, limit: number): Promise<PhotoPage> {
    const sort = end === this.#ends.tail ? REVERSED[this.filter.sort] : this.filter.sort
    return this.#source.page({ ...this.filter, sort }, { limit, cursor: end.cursor, signal: this.#closed.signal })
  }

  #changed(): void {
    // The count was taken before, and others add and delete: what was read knows better.
    const { isComplete, shown } = this.#ends
    if (isComplete || shown > this.total) this.total = shown
    this.version++
  }

  #fail(error: unknown): void {
    if (this.#closed.signal.aborted) return
    this.problem = error
    this.state = 'failed'
  }
}
