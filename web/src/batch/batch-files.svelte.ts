// The files of a batch in one state, read page by page as they are scrolled to, and live.
import type { ApiBatchFile } from '../../../src/api/batches.ts'
import type { ApiNotification } from '../../../src/api/events.ts'
import { askPage } from '../api/client.ts'
import { sentenceOf } from '../parts/sentence.ts'
import { type BatchFile, type FileFilter, indexIn, toBatchFile, withChange } from './batch-file.ts'

const PAGE = 200
/** The most that one answer holds. */
const MAX_PAGE = 1_000

export class BatchFiles {
  files = $state.raw<readonly BatchFile[]>([])
  /** `idle`: there may be more, and it is read when it is scrolled to. */
  state = $state.raw<'reading' | 'idle' | 'complete' | 'failed'>('reading')
  problem = $state.raw('')
  readonly batch: string
  readonly filter: FileFilter
  #next: string | null = null
  /** Heard while a page was being read, which may be older than that. */
  #heard: ApiNotification[] = []
  #isStale = false
  readonly #closed = new AbortController()

  constructor(batch: string, filter: FileFilter) {
    this.batch = batch
    this.filter = filter
    void this.#read(this.#address(PAGE), [])
  }

  close(): void {
    this.#closed.abort()
  }

  /** The next page, unless one is being read or there is none. */
  more(): void {
    if (this.state === 'idle' && this.#next !== null) void this.#read(this.#next, this.files)
  }

  retry(): void {
    if (this.state === 'failed') void this.#read(this.#next ?? this.#address(PAGE), this.#next === null ? [] : this.files)
  }

  /** In the list of all, files stay where they are: what was announced is shown at once. */
  apply(changes: readonly ApiNotification[]): void {
    if (this.filter !== 'all') return
    if (this.state === 'reading') this.#heard.push(...changes)
    const latest = new Map(changes.map((change) => [indexIn(this.batch, change.job_id), change]))
    this.files = this.files.map((file) => {
      const change = latest.get(file.index)
      return change === undefined ? file : withChange(file, change)
    })
  }

  /** Files come into a state and leave it: the beginning of its list is read again, as far as it was read. */
  async refresh(): Promise<void> {
    if (this.state === 'reading') this.#isStale = true
    if (this.state === 'reading' || this.state === 'failed') return
    const limit = Math.min(MAX_PAGE, Math.max(PAGE, this.files.length))
    await this.#read(this.#address(limit), [])
  }

  #address(limit: number): string {
    return `/api/batches/${this.batch}?status=${this.filter}&limit=${limit}`
  }

  async #read(address: string, before: readonly BatchFile[]): Promise<void> {
    this.state = 'reading'
    this.#heard = []
    this.#isStale = false
    try {
      const { items, next } = await askPage<ApiBatchFile>(address, { signal: this.#closed.signal })
      this.files = [...before, ...items.map(toBatchFile)]
      this.#next = next
      this.state = next === null ? 'complete' : 'idle'
      this.apply(this.#heard.splice(0))
      if (this.#isStale) await this.refresh()
    } catch (error) {
      if (this.#closed.signal.aborted) return
      this.problem = sentenceOf(error)
      this.state = 'failed'
    }
  }
}
