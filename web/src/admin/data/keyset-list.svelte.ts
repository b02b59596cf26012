// A list of any length, read page by page as it is scrolled to.
import { askPage } from '../../api/client.ts'
import { sentenceOf } from '../../parts/sentence.ts'

const PAGE = 100

export class KeysetList<T extends { id: string }> {
  items = $state.raw<readonly T[]>([])
  /** `idle`: there is more, and it is read when it is scrolled to. */
  state = $state.raw<'reading' | 'idle' | 'complete' | 'failed'>('reading')
  /** What is shown belongs to another search, until the one that was asked for is here. */
  isSwitching = $state.raw(false)
  problem = $state.raw('')
  /** Rows that an answer holds at most. */
  readonly #maxPage: number
  #address = ''
  #next: string | null = null
  #asking = new AbortController()

  constructor(maxPage = 500) {
    this.#maxPage = maxPage
  }

  /** Shows what an address lists; `query` without limit and cursor. */
  show(path: string, query: URLSearchParams): void {
    const address = `${path}?${query}`
    if (address === this.#address) return
    this.#address = address
    this.isSwitching = true
    void this.#read(this.#first(PAGE), [])
  }

  more(): void {
    if (this.state === 'idle' && this.#next !== null) void this.#read(this.#next, this.items)
  }

  retry(): void {
    if (this.state === 'failed') void this.#read(this.#next ?? this.#first(PAGE), this.#next === null ? [] : this.items)
  }

  /** Its beginning is read again, as far as it was read. */
  async refresh(): Promise<void> {
    await this.#read(this.#first(Math.min(this.#maxPage, Math.max(PAGE, this.items.length))), [])
  }

  /** Of one that is shown, what is heard meanwhile. */
  change(id: string, changed: (item: T) => T): void {
    if (this.items.some((item) => item.id === id)) this.items = this.items.map((item) => (item.id === id ? changed(item) : item))
  }

  close(): void {
    this.#asking.abort()
  }

  #first(limit: number): string {
    return `${this.#address}${this.#address.endsWith('?') ? '' : '&'}limit=${limit}`
  }

  async #read(address: string, before: readonly T[]): Promise<void> {
    this.#asking.abort()
    const asking = (this.#asking = new AbortController())
    this.state = 'reading'
    try {
      const { items, next } = await askPage<T>(address, { signal: asking.signal })
      // Where something is put in between, a page may begin with what the last one ended with.
      const known = new Set(before.map(({ id }) => id))
      this.items = [...before, ...items.filter(({ id }) => !known.has(id))]
      this.#next = next
      this.state = next === null ? 'complete' : 'idle'
      this.isSwitching = false
    } catch (error) {
      if (asking.signal.aborted) return
      if (before.length === 0) this.#next = null
      this.problem = sentenceOf(error)
      this.state = 'failed'
      this.isSwitching = false
    }
  }
}
