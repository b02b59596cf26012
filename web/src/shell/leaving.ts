// Leaving the page: the browser asks while something would be lost, and not who has said already that they go.

class Leaving {
  readonly #losses = new Set<() => boolean>()
  #isAgreed = false

  constructor() {
    addEventListener('beforeunload', (event) => {
      if (this.wouldLose && !this.#isAgreed) event.preventDefault()
    })
  }

  /** Returns the end of it. */
  askWhile(wouldLose: () => boolean): () => void {
    this.#losses.add(wouldLose)
    return () => this.#losses.delete(wouldLose)
  }

  get wouldLose(): boolean {
    return [...this.#losses].some((wouldLose) => wouldLose())
  }

  /** Loads this address, and with it everything anew. */
  go(address: string): void {
    this.#isAgreed = true
    location.assign(address)
  }
}

export const leaving = new Leaving()
