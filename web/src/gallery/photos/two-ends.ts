// The photos of a list as far as they were read: from its beginning and from its end, until the two meet.
import type { Photo } from './photo.ts'

/** What was read from one side, in the order it was read, and where to go on. */
export interface End {
  photos: readonly Photo[]
  cursor: string | null
}

export interface PhotoPage {
  photos: Photo[]
  next: string | null
}

/** Some are hidden: they have no place, but are kept, so that they come back where they were. */
export class TwoEnds {
  readonly head: End = { photos: [], cursor: null }
  readonly tail: End = { photos: [], cursor: null }
  /** Whether the ends have met: all is in the head, and the tail is empty. */
  isComplete = false
  readonly #known = new Set<string>()
  readonly #hidden = new Set<string>()
  #shownHead: readonly Photo[] = []
  #shownTail: readonly Photo[] = []

  knows(id: string): boolean {
    return this.#known.has(id)
  }

  get shownHead(): readonly Photo[] {
    return this.#shownHead
  }

  get shownTail(): readonly Photo[] {
    return this.#shownTail
  }

  /** How many of those that are shown were read. */
  get shown(): number {
    return this.#shownHead.length + this.#shownTail.length
  }

  get hidden(): number {
    return this.#hidden.size
  }

  /** The next page of one end. */
  take(end: End, { photos, next }: PhotoPage): void {
    const fresh = photos.filter(({ id }) => !this.#known.has(id))
    for (const { id } of fresh) this.#known.add(id)
    end.photos = end.photos.concat(fresh)
    end.cursor = next
    // It has reached the other's photos, or the end of all.
    if (next === null || fresh.length < photos.length) this.#join()
    this.#show()
  }

  /** Puts the beginning as it is now in place of the old one. False if it does not connect to what was read. */
  takeBeginning({ photos, next }: PhotoPage): boolean {
    const lastId = photos.at(-1)?.id
    const place = this.head.photos.findIndex(({ id }) => id === lastId)
    if (place === -1 && next !== null) return false
    const rest = next === null ? [] : this.head.photos.slice(place + 1)
    const replaced = next === null ? [...this.head.photos, ...this.tail.photos] : this.head.photos.slice(0, place + 1)
    for (const { id } of replaced) this.#known.delete(id)
    for (const { id } of photos) this.#known.add(id)
    this.head.photos = photos.concat(rest)
    if (next === null) {
      this.tail.photos = []
      this.isComplete = true
    }
    this.#show()
    return true
  }

  /** Gives how many were not hidden before. */
  hide(ids: readonly string[]): number {
    const before = this.#hidden.size
    for (const id of ids) this.#hidden.add(id)
    this.#show()
    return this.#hidden.size - before
  }

  /** Gives how many were hidden before. */
  unhide(ids: readonly string[]): number {
    const before = this.#hidden.size
    for (const id of ids) this.#hidden.delete(id)
    this.#show()
    return before - this.#hidden.size
  }

  /** Those that are gone for good. */
  drop(ids: readonly string[]): void {
    const gone = new Set(ids)
    for (const end of [this.head, this.tail]) end.photos = end.photos.filter(({ id }) => !gone.has(id))
    for (const id of gone) this.#known.delete(id)
    for (const id of gone) this.#hidden.delete(id)
    this.#show()
  }

  /** Each as `change` has it, in new arrays, as what shows them compares. */
  update(change: (photo: Photo) => Photo): void {
    for (const end of [this.head, this.tail]) end.photos = end.photos.map(change)
    this.#show()
  }

  #join(): void {
    this.head.photos = this.head.photos.concat(this.tail.photos.toReversed())
    this.tail.photos = []
    this.isComplete = true
  }

  #show(): void {
    const shown = (photos: readonly Photo[]) => (this.#hidden.size === 0 ? photos : photos.filter(({ id }) => !this.#hidden.has(id)))
    this.#shownHead = shown(this.head.photos)
    this.#shownTail = shown(this.tail.photos)
  }
}
