// How long to wait before trying again: longer each time, and not all at once.

export interface BackoffOptions {
  firstMs: number
  mostMs: number
}

export class Backoff {
  readonly #options: BackoffOptions
  #failures = 0

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  get failures(): number {
    return this.#failures
  }

  /** Counts a failure. Half of the wait is chance, so that a thousand tabs don't come back at the same moment. */
  next(): number {
    const { firstMs, mostMs } = this.#options
    const fullMs = Math.min(mostMs, firstMs * 2 ** this.#failures)
    this.#failures++
    return fullMs / 2 + (Math.random() * fullMs) / 2
  }

  reset(): void {
    this.#failures = 0
  }
}
