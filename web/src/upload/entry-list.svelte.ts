// All files of the upload: tens of thousands of plain objects, counted as they change, shown a few times a second.
import { onNextFrame } from '../live/frames.ts'
import { type Entry, type EntryState, STATES } from './entry.ts'

/** What is drawn sixty times a second can't be read, and takes the time of what is being done. */
const INTERVAL_MS = 120

export type Counts = Record<EntryState, number>

const zeros = () => Object.fromEntries(STATES.map((state) => [state, 0])) as Counts

export class EntryList {
  /** Goes up after changes, a few times a second: read it to hear of them. */
  version = $state(0)
  /** In the order in which they came. Not to be changed by others. */
  all: Entry[] = []
  /** Files, and their bytes, by state. */
  readonly count = zeros()
  readonly bytes = zeros()
  #isDue = false
  #shownAt = 0

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
    const show = () => {
      this.#isDue = false
      this.#shownAt = performance.now()
      this.version++
    }
    const early = this.#shownAt + INTERVAL_MS - performance.now()
    if (early > 0) setTimeout(onNextFrame, early, show)
    else onNextFrame(show)
  }
}
