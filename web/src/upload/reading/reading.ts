// What happens to a file before the server hears of it: is it an image, can it be read, is it here twice, what is its hash.
import type { EntryList } from '../entry-list.svelte.ts'
import type { Entry } from '../entry.ts'
import { HashPool } from './hash-pool.ts'
import { EMPTY, NOT_AN_IMAGE, tooLarge, twice, UNREADABLE } from '../telling/sentences.ts'

export interface ReadingDeps {
  list: EntryList
  /** Another one with these bytes, that is or will be with the server. */
  twin(entry: Entry): Entry | undefined
  /** Hashed, and to be declared. */
  ready(entry: Entry): void
}

/** As the server said with the page; endless if it did not: then it says so of each file. */
const maxFileBytes = () => Number(document.querySelector<HTMLMetaElement>('meta[name=max-file-bytes]')?.content ?? Infinity)

export class Reading {
  readonly #pool = new HashPool()
  readonly #deps: ReadingDeps

  constructor(deps: ReadingDeps) {
    this.#deps = deps
  }

  /** Entries in the state `reading`, with their files. */
  add(entries: readonly Entry[]): void {
    for (const entry of entries) void this.#read(entry)
  }

  drop(): void {
    this.#pool.drop()
  }

  async #read(entry: Entry): Promise<void> {
    const file = entry.file!
    if (file.size === 0) return this.#refuse(entry, EMPTY)
    if (file.size > maxFileBytes()) return this.#refuse(entry, tooLarge(file.size, maxFileBytes()))
    const isImage = await this.#pool.look(file)
    if (isImage !== true) return this.#refuse(entry, isImage === null ? UNREADABLE : NOT_AN_IMAGE)
    if (entry.state !== 'reading') return
    entry.sha256 = await this.#pool.hash(file)
    if (entry.state !== 'reading') return
    if (entry.sha256 === null) return this.#refuse(entry, UNREADABLE)
    const twin = this.#deps.twin(entry)
    if (twin) this.#deps.list.change(entry, { state: 'skipped', why: twice(twin.name) })
    this.#deps.ready(entry)
  }

  #refuse(entry: Entry, why: string): void {
    if (entry.state === 'reading') this.#deps.list.change(entry, { state: 'refused', why })
    this.#deps.ready(entry)
  }
}
