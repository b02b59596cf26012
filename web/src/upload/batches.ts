// The batches of the upload, as the server tells of them: answers, the live feed, and the ledger read again.
import type { ApiBatchFile } from '../../../src/api/batches.ts'
import type { ApiNotification } from '../../../src/api/events.ts'
import type { ApiImage } from '../../../src/api/images.ts'
import { askPage } from '../api/client.ts'
import type { EntryList } from './entry-list.svelte.ts'
import type { Entry, EntryState } from './entry.ts'
import { EXPIRED } from './telling/sentences.ts'

const STATE_OF = {
  pending: 'sent',
  processing: 'developing',
  completed: 'done',
  error: 'failed',
  aborted: 'cancelled',
} as const satisfies Record<ApiImage['status'], EntryState>

/** What was heard before is not undone by an older answer that comes later. */
const RANK: Partial<Record<EntryState, number>> = { sent: 1, developing: 2, done: 3, failed: 3, cancelled: 3 }

/** `<batch uuid>-<index>`. */
const UUID_LENGTH = 36

export class Batches {
  readonly #list: EntryList
  /** By their places. */
  readonly #entries = new Map<string, (Entry | undefined)[]>()

  constructor(list: EntryList) {
    this.#list = list
  }

  get ids(): string[] {
    return [...this.#entries.keys()]
  }

  add(id: string, entries: readonly (Entry | undefined)[]): void {
    this.#entries.set(id, [...entries])
  }

  entriesOf(id: string): Entry[] {
    return (this.#entries.get(id) ?? []).filter((entry) => entry !== undefined)
  }

  clear(): void {
    this.#entries.clear()
  }

  /** From the live feed; of other people's images, too. */
  hear(changes: readonly ApiNotification[]): void {
    for (const change of changes) {
      const entry = this.#entries.get(change.job_id.slice(0, UUID_LENGTH))?.[Number(change.job_id.slice(UUID_LENGTH + 1))]
      if (entry) this.apply(entry, change)
    }
  }

  /** What the server says of its image. */
  apply(entry: Entry, { id, status, thumbnail, error }: Pick<ApiImage, 'id' | 'status' | 'thumbnail' | 'error'>): void {
    const state = STATE_OF[status]
    // One that was cancelled here is being deleted there.
    if (entry.state === 'cancelled' || (RANK[state] ?? 0) < (RANK[entry.state] ?? 0)) return
    this.#list.change(entry, { state, image: id, thumbnail, why: error })
  }

  /** Reads the ledger of a batch again. Rejects with Problem. */
  async read(id: string): Promise<void> {
    const entries = this.#entries.get(id) ?? []
    let next: string | null = `/api/batches/${id}?status=all&limit=1000`
    while (next !== null) {
      const page: { items: ApiBatchFile[]; next: string | null } = await askPage<ApiBatchFile>(next)
      next = page.next
      for (const file of page.items) {
        const entry = entries[file.index]
        if (entry) this.#applyFile(entry, file)
      }
    }
  }

  #applyFile(entry: Entry, { status, image, error }: ApiBatchFile): void {
    if (image) this.apply(entry, image)
    else if (entry.state !== 'missing') return
    else if (status === 'rejected') this.#list.change(entry, { state: 'refused', why: error })
    else if (status === 'aborted') this.#list.change(entry, { state: 'cancelled', why: null })
    // It has to be declared anew, which its file, once it is here, will be.
    else if (status === 'expired') this.#list.change(entry, { batch: null, why: EXPIRED })
  }
}
