// How fast the upload goes and how long it still takes; told on the page, in the header, and aloud.
import { activity } from '../../shell/activity.svelte.ts'
import { announcer } from '../../shell/announce.svelte.ts'
import { type Figures, secondsLeft } from './figures.ts'
import { Narrator } from './narrator.ts'
import { Speed } from './speed.ts'

export class Pace {
  /** While something is sent. */
  bytesPerSecond = $state.raw<number | null>(null)
  /** Until all is developed; null while that can't be told. */
  secondsLeft = $state.raw<number | null>(null)
  readonly #narrator = new Narrator((sentence) => announcer.say(sentence))
  readonly #bytes = new Speed()
  readonly #files = new Speed()

  /** To be called now and then. */
  look(figures: Figures): void {
    this.#bytes.sample(figures.sentBytes)
    this.#files.sample(figures.settled)
    this.bytesPerSecond = figures.ours > 0 ? this.#bytes.perSecond : null
    this.secondsLeft = figures.isActive ? secondsLeft(figures, this.#bytes.perSecond, this.#files.perSecond) : null
    activity.share = figures.isActive ? figures.settled / Math.max(1, figures.total) : null
    this.#narrator.hear(figures)
  }
}
