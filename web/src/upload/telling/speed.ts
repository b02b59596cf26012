// How fast something grows: over the last seconds, so that it tells of now and does not dance.

const WINDOW_MS = 10_000
/** Before that, a guess would be one. */
const LEAST_MS = 1_500

export class Speed {
  #samples: { at: number; value: number }[] = []

  /** `value` in all, now. */
  sample(value: number, at = performance.now()): void {
    const last = this.#samples.at(-1)
    // It went back: something was cancelled, or is sent anew.
    if (last && value < last.value) this.#samples = []
    else if (last && at - last.at < 200) return
    this.#samples.push({ at, value })
    while (this.#samples.length > 2 && this.#samples[1]!.at < at - WINDOW_MS) this.#samples.shift()
  }

  /** A second; null while it is too early to say. */
  get perSecond(): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (!first || !last || last.at - first.at < LEAST_MS) return null
    return ((last.value - first.value) / (last.at - first.at)) * 1000
  }

  reset(): void {
    this.#samples = []
  }
}
