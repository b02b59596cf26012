// The upload of this tab: what was dropped, on its way through reading, declaring and sending, and what the server says of it.
import type { ApiDeclared } from '../../../src/api/batches.ts'
import type { ApiImage } from '../../../src/api/images.ts'
import type { ApiRejected } from '../../../src/api/uploads.ts'
import { ask } from '../api/client.ts'
import { leaving } from '../shell/leaving.ts'
import { Batches } from './batches.ts'
import { Declaring } from './sending/declaring.ts'
import { EntryList } from './entry-list.svelte.ts'
import { canRetry, type Entry, entryOf, type FoundFile, isActive, isOurs } from './entry.ts'
import { figuresOf } from './telling/figures.ts'
import { KnownFiles } from './reading/known-files.ts'
import { Memory } from './resuming/memory.ts'
import { Pace } from './telling/pace.svelte.ts'
import { Reading } from './reading/reading.ts'
import { Sender } from './sending/sender.svelte.ts'
import { patiently, remove, retry, retryAll } from './server-calls.ts'
import { Watching } from './watching.ts'

const TICK_MS = 500

export class Uploader {
  readonly list = new EntryList()
  readonly sender: Sender
  readonly figures = $derived.by(() => {
    void this.list.version
    return figuresOf(this.list.count, this.list.bytes, this.sender.loadedBytes)
  })
  readonly pace = new Pace()
  /** Of the last drop, files that were in the list already. */
  known = $state.raw(0)
  isReadingFolders = $state.raw(false)
  /** The page was closed before all that was dropped had been declared: what is missing is not known. */
  isCutOff = $state.raw(false)

  readonly #batches = new Batches(this.list)
  readonly #watching = new Watching(this.list, this.#batches)
  readonly #reading: Reading
  readonly #declaring: Declaring
  readonly #memory = new Memory()
  readonly #files = new KnownFiles()
  #intakes = 0
  readonly #restored: Promise<void>

  constructor() {
    const { list } = this
    this.sender = new Sender({
      list,
      taken: (entry, image) => this.#taken(entry, image),
      refused: (entry, why) => this.#refused(entry, why),
      orphaned: (entries) => this.#read(entries),
    })
    this.#reading = new Reading({ list, twin: (entry) => this.#twin(entry), ready: (entry) => this.#ready(entry) })
    this.#declaring = new Declaring({
      isAllHashed: (hashed) => this.#intakes === 0 && list.count.reading <= hashed,
      isSenderLow: () => this.sender.isLow,
      declared: (entries, answer) => this.#declared(entries, answer),
      refused: (entries, why) => entries.forEach((entry) => this.list.change(entry, { state: 'refused', why })),
    })
    leaving.askWhile(() => this.figures.ours > 0)
    setInterval(() => this.#tick(), TICK_MS)
    this.#restored = this.#restore()
  }

  async add(found: AsyncIterable<FoundFile[]>): Promise<void> {
    this.#intakes++
    this.isReadingFolders = true
    this.known = 0
    try {
      await this.#restored
      this.isCutOff = false
      for await (const files of found) {
        this.#take(files)
        await this.#memory.keep(true)
      }
    } finally {
      this.#intakes--
      this.isReadingFolders = this.#intakes > 0
      this.#declaring.look()
    }
  }

  cancel(entry: Entry): void {
    if (!isActive(entry.state) && entry.state !== 'missing') return
    if (entry.image === null) this.#memory.cancel(entry)
    this.list.change(entry, { state: 'cancelled', why: null })
    // One that is on its way is deleted once it is there.
    if (entry.image !== null) void remove(entry.image)
    this.#declaring.look()
  }

  /** All that is not yet developed. */
  cancelAll(): void {
    for (const entry of this.list.all) {
      if (isOurs(entry.state) || entry.state === 'missing') this.list.change(entry, { state: 'cancelled', why: null })
    }
    this.#reading.drop()
    this.#declaring.drop()
    this.sender.abort()
    for (const id of this.#batches.ids) {
      const isOpen = this.#batches.entriesOf(id).some(({ state }) => state !== 'done' && state !== 'failed' && state !== 'refused')
      if (isOpen) void this.#cancelBatch(id)
    }
  }

  retry(entry: Entry): void {
    if (entry.state === 'failed') void retry(this.list, entry)
    else if (canRetry(entry)) this.#read([entry])
  }

  retryFailed(): void {
    const again = this.list.all.filter((entry) => entry.state !== 'cancelled' && canRetry(entry))
    void retryAll(
      this.list,
      again.filter(({ state }) => state === 'failed'),
    )
    this.#read(again.filter(({ state }) => state === 'refused'))
  }

  /** Empties the list, when nothing goes on any more. */
  async clear(): Promise<void> {
    this.list.clear()
    this.#batches.clear()
    this.#files.clear()
    this.known = 0
    await this.#memory.forget()
  }

  #take(files: readonly FoundFile[]): void {
    const fresh: Entry[] = []
    const again: Entry[] = []
    const resumed: Entry[] = []
    for (const found of files) {
      const before = this.#files.find(found)
      if (!before) {
        const entry = entryOf(found)
        this.#files.add(entry)
        fresh.push(entry)
      } else if (before.state === 'missing') {
        before.file = found.file
        ;(before.batch === null ? again : resumed).push(before)
      } else if (before.state === 'cancelled' || before.state === 'refused') {
        before.file = found.file
        again.push(before)
      } else this.known++
    }
    this.list.add(fresh)
    this.#reading.add(fresh)
    this.#read(again)
    this.sender.add(resumed)
  }

  /** Through all of it again, as if just dropped. */
  #read(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#files.forgetHash(entry)
      this.list.change(entry, { state: 'reading', batch: null, index: -1, image: null, why: null })
    }
    this.#reading.add(entries)
  }

  #twin(entry: Entry): Entry | undefined {
    const other = this.#files.twin(entry)
    if (other?.state !== 'missing') return other
    // Its bytes are here after all, under another name.
    other.file = entry.file
    if (other.batch === null) this.#read([other])
    else this.sender.add([other])
    return other
  }

  #ready(entry: Entry): void {
    if (entry.state === 'reading') this.#declaring.add(entry)
    this.#declaring.look()
  }

  async #declared(entries: Entry[], { id, files }: ApiDeclared): Promise<void> {
    entries.forEach((entry, index) => Object.assign(entry, { batch: id, index }))
    this.#batches.add(id, entries)
    await this.#memory.keepBatch(id, entries)
    const needed: Entry[] = []
    let known = 0
    files.forEach((file, index) => {
      const entry = entries[index]!
      if (entry.state !== 'reading') return
      if (file.state === 'needed') needed.push(entry)
      else if (file.state === 'rejected') this.list.change(entry, { state: 'refused', why: file.error })
      else {
        known++
        this.list.change(entry, { state: 'sent', image: file.image })
      }
    })
    this.sender.add(needed)
    if (known > 0) void patiently(() => this.#batches.read(id))
    // Cancelled as a whole, while it was declared.
    if (entries.every(({ state }) => state === 'cancelled')) void this.#cancelBatch(id)
    await this.#memory.keep(this.list.count.reading > 0)
  }

  #taken(entry: Entry, image: ApiImage): void {
    if (entry.state === 'cancelled') return void remove(image.id)
    this.#batches.apply(entry, image)
    this.#declaring.look()
  }

  #refused(entry: Entry, { code, error }: Pick<ApiRejected, 'code' | 'error'>): void {
    if (entry.state === 'cancelled') return
    if (code === 'batch_expired') this.#read([entry])
    else this.list.change(entry, code === 'batch_cancelled' ? { state: 'cancelled', why: null } : { state: 'refused', why: error })
    this.#declaring.look()
  }

  async #cancelBatch(id: string): Promise<void> {
    await patiently(() => ask(`/api/batches/${id}/cancel`, { method: 'POST' }))
    await patiently(() => this.#batches.read(id))
  }

  #tick(): void {
    const { figures, list } = this
    if (list.all.length === 0) return
    this.pace.look(figures)
    this.#watching.look()
    if (!figures.isActive && figures.missing === 0 && this.#intakes === 0 && !this.isCutOff) void this.#memory.forget()
  }

  async #restore(): Promise<void> {
    for (const { upload, batches } of await this.#memory.restore()) {
      this.isCutOff ||= upload.hasUndeclared
      for (const { id, entries } of batches) {
        this.list.add(entries)
        this.#batches.add(id, entries)
        for (const entry of entries) this.#files.addRestored(entry)
        await patiently(() => this.#batches.read(id))
      }
    }
  }
}
