// What is said aloud of an upload, to who does not see it: its start, its quarters, failures, its end. Nothing in between.
import { plural } from '../../parts/format.ts'

export interface Progress {
  /** Files that are to be developed. */
  total: number
  /** Of these, those that are done with. */
  settled: number
  /** Those that will not be developed. Said when they become more, not one by one. */
  failed: number
  done: number
  isActive: boolean
}

export class Narrator {
  readonly #say: (sentence: string) => void
  #wasActive = false
  #quarter = 0
  #failed = 0

  constructor(say: (sentence: string) => void) {
    this.#say = say
  }

  hear({ total, settled, failed, done, isActive }: Progress): void {
    const quarter = total === 0 ? 0 : Math.floor((settled / total) * 4)
    if (isActive && !this.#wasActive) {
      this.#quarter = 0
      this.#say(`Uploading ${plural(total, 'file')}.`)
    } else if (!isActive && this.#wasActive) {
      this.#failed = failed
      this.#say(`Finished: ${plural(done, 'photograph')} developed${failed > 0 ? `, ${plural(failed, 'file')} failed` : ''}.`)
    } else if (isActive && failed > this.#failed) {
      this.#failed = failed
      this.#say(`${plural(failed, 'file')} failed so far.`)
    } else if (isActive && quarter > this.#quarter && quarter < 4) {
      this.#quarter = quarter
      this.#say(`${quarter * 25} percent: ${settled} of ${plural(total, 'file')} developed.`)
    }
    this.#wasActive = isActive
  }
}
