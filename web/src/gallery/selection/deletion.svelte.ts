// Deleting with second thoughts: images vanish at once, and are deleted when the time to undo it is over or the page is left.

const UNDO_MS = 6_000
const SLICE = 1_000
/** All bodies that a page may leave behind when it goes have 64 KB together, an id with its quotes and comma 39 bytes. */
const MAX_LEFT_BEHIND = 1_600

export interface DeletionDeps {
  hide(ids: readonly string[]): void
  show(ids: readonly string[]): void
  /** They are deleted. */
  drop(ids: readonly string[]): void
  /** Up to a thousand; `keepalive` when the page is going. */
  send(ids: readonly string[], options: { keepalive: boolean }): Promise<void>
  failed(error: unknown, images: number): void
}

/** One at a time: beginning the next ends the time to undo the one before. */
export class Deletion {
  /** What can still be undone. */
  pending = $state.raw<readonly string[]>([])
  /** Of a deletion that is being sent. */
  progress = $state.raw<{ done: number; total: number } | null>(null)
  readonly #deps: DeletionDeps
  #timer: ReturnType<typeof setTimeout> | undefined
  #sending: Promise<void> = Promise.resolve()

  constructor(deps: DeletionDeps) {
    this.#deps = deps
  }

  begin(ids: readonly string[]): void {
    void this.commit()
    this.#deps.hide(ids)
    this.pending = ids
    this.resume()
  }

  undo(): void {
    this.hold()
    this.#deps.show(this.pending)
    this.pending = []
  }

  /** While someone is looking at the offer to undo, or has it in focus, it stays. */
  hold(): void {
    clearTimeout(this.#timer)
  }

  resume(): void {
    this.hold()
    if (this.pending.length > 0) this.#timer = setTimeout(() => void this.commit(), UNDO_MS)
  }

  commit(): Promise<void> {
    this.hold()
    const ids = this.pending
    if (ids.length === 0) return this.#sending
    this.pending = []
    return (this.#sending = this.#sending.then(() => this.#send(ids)))
  }

  /** When the page goes: sends what a page that goes can send. More than that stays; see `isTooMuchToLeave`. */
  leave(): void {
    this.hold()
    for (const slice of slices(this.pending.slice(0, MAX_LEFT_BEHIND), SLICE))
      void this.#deps.send(slice, { keepalive: true }).catch(() => {})
    this.pending = []
  }

  get isTooMuchToLeave(): boolean {
    return this.pending.length > MAX_LEFT_BEHIND || this.progress !== null
  }

  async #send(ids: readonly string[]): Promise<void> {
    let done = 0
    this.progress = { done, total: ids.length }
    try {
      for (const slice of slices(ids, SLICE)) {
        await this.#deps.send(slice, { keepalive: false })
        this.#deps.drop(slice)
        done += slice.length
        this.progress = { done, total: ids.length }
      }
    } catch (error) {
      this.#deps.show(ids.slice(done))
      this.#deps.failed(error, ids.length - done)
    } finally {
      this.progress = null
    }
  }
}

export function* slices<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size)
}
