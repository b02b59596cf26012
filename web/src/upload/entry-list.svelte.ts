// All files of the upload: tens of thousands of plain objects, counted as they change, shown at most once a frame.
import { onNextFrame } from '../live/frames.ts'
import { type Entry, type EntryState, STATES } from './entry.ts'

export type Counts = Record<EntryState, number>

const zeros = () => Object.fromEntries(STATES.map((state) => [state, 0])) as Counts

export class EntryList {
  /** Goes up at most once a frame, after changes: read it to hear of them. */
  version = $state(0)
  /** In the order in which they came. Not to be changed by others. */
  all: Entry[] = []
  /** Files, and their bytes, by state. */
  readonly count = zeros()
  readonly bytes = zeros()
  #isDue = false

  add(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.all.push(entry)
      this.count[entry.state]++
      this.bytes[entry.state] += entry.size
    }
    this.touch()
  }

  change(entry: Entry, patch: Partial<Entry>): void {
    const { state } = entry
    Object.assign(entry, patch)
    if (entry.state !== state) {
      this.count[state]--
      this.bytes[state] -= entry.size
      this.count[entry.state]++
      this.bytes[entry.state] += entry.size
    }
    this.touch()
  }

  clear(): void {
    this.all = []
    Object.assign(this.count, zeros())
    Object.assign(this.bytes, zeros())
    this.touch()
  }

  touch(): void {
    if (this.#isDue) return
    this.#isDue = true
    onNextFrame(() => {
      this.#isDue = false
      this.version++
    })
  }
}
