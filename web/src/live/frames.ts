// Gathers what comes in, and hands it on at most once a frame: a thousand events a second are sixty updates of the screen.

/** No frames are drawn while a tab is hidden; what it hears then is handed on so often. */
const HIDDEN_INTERVAL_MS = 500

export class FrameBatch<T> {
  readonly #hand: (items: T[]) => void
  #items: T[] = []
  #isDue = false

  constructor(hand: (items: T[]) => void) {
    this.#hand = hand
  }

  add(item: T): void {
    this.#items.push(item)
    if (this.#isDue) return
    this.#isDue = true
    onNextFrame(() => this.#flush())
  }

  #flush(): void {
    this.#isDue = false
    const items = this.#items
    this.#items = []
    if (items.length > 0) this.#hand(items)
  }
}

/** Runs `action` once, before the next frame is drawn; in a hidden tab, soon. */
export function onNextFrame(action: () => void): void {
  if (document.visibilityState === 'hidden') {
    setTimeout(action, HIDDEN_INTERVAL_MS)
    return
  }
  let isDone = false
  const once = () => {
    if (isDone) return
    isDone = true
    action()
  }
  requestAnimationFrame(once)
  // The tab may be hidden before that frame comes.
  setTimeout(once, HIDDEN_INTERVAL_MS)
}
