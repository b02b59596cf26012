// Hears what becomes of the batches of the upload: from the live feed, and from their ledgers where that may have missed something.
import { live } from '../live/live.svelte.ts'
import type { Batches } from './batches.ts'
import type { EntryList } from './entry-list.svelte.ts'
import { patiently } from './server-calls.ts'

/** Events can get lost on their way: after so long without any, the ledger is read. */
const SILENCE_MS = 15_000

export class Watching {
  readonly #list: EntryList
  readonly #batches: Batches
  #heardAt = 0

  constructor(list: EntryList, batches: Batches) {
    this.#list = list
    this.#batches = batches
    live.subscribe({
      changes: (changes) => {
        this.#heardAt = performance.now()
        this.#batches.hear(changes)
      },
      resync: () => this.#readLedgers(),
    })
  }

  /** To be called now and then. */
  look(): void {
    const { count } = this.#list
    if (count.sent + count.developing > 0 && performance.now() - this.#heardAt > SILENCE_MS) this.#readLedgers()
  }

  #readLedgers(): void {
    this.#heardAt = performance.now()
    for (const id of this.#batches.ids) {
      const isOpen = this.#batches.entriesOf(id).some(({ state }) => state === 'sent' || state === 'developing')
      if (isOpen) void patiently(() => this.#batches.read(id))
    }
  }
}
