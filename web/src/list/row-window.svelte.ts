// Of a list with rows of one height, those to be drawn: as the window of the browser is scrolled.

const SLOW_AFTER_MS = 120
/** So many rows before they are come to, more are read. */
const AHEAD_ROWS = 60

export interface RowWindowOptions {
  /** Rows in all. */
  count: () => number
  /** Pixels from one row to the next. */
  rowHeight: () => number
  /** Rows drawn beyond each edge of the screen. */
  overscan?: number
}

/** `first` to `last` (inclusive) are to be drawn, at `row * rowHeight` pixels within an element of `height`. */
export class RowWindow {
  #top = $state(0)
  #screen = $state(0)
  /** Scrolled so fast that nothing can be looked at: what costs something need not be shown. */
  isFast = $state(false)
  readonly #options: Required<RowWindowOptions>

  readonly height = $derived.by(() => this.#options.count() * this.#options.rowHeight())
  readonly first = $derived.by(() => {
    const { rowHeight, overscan, count } = this.#options
    return Math.max(0, Math.min(count() - 1, Math.floor(this.#top / rowHeight()) - overscan))
  })
  readonly last = $derived.by(() => {
    const { rowHeight, overscan, count } = this.#options
    return Math.min(count() - 1, Math.ceil((this.#top + this.#screen) / rowHeight()) + overscan)
  })

  /** From `first` to `last`. */
  readonly drawn = $derived.by(() => Array.from({ length: Math.max(0, this.last - this.first + 1) }, (_, step) => this.first + step))

  /** More than there ever are from `first` to `last`: rows whose numbers are the same modulo this are never there together, and can share their elements. */
  readonly slots = $derived.by(() => Math.ceil(this.#screen / this.#options.rowHeight()) + 2 * this.#options.overscan + 2)

  constructor(options: RowWindowOptions) {
    this.#options = { overscan: 6, ...options }
  }

  /** Whether a row is about to be come to: where a list is read page by page, that after its last one. */
  readonly isNear = (row: number): boolean => this.last + AHEAD_ROWS >= row

  /** An attachment for the element that has the height of the whole list: `{@attach rows.follow}`. */
  readonly follow = (list: HTMLElement): (() => void) => {
    let frame = 0
    let slow: ReturnType<typeof setTimeout> | undefined
    const measure = () => {
      frame = 0
      const top = Math.max(0, -list.getBoundingClientRect().top)
      if (Math.abs(top - this.#top) > innerHeight / 3) {
        this.isFast = true
        clearTimeout(slow)
        slow = setTimeout(() => (this.isFast = false), SLOW_AFTER_MS)
      }
      this.#top = top
      this.#screen = innerHeight
    }
    const soon = () => {
      frame ||= requestAnimationFrame(measure)
    }
    measure()
    // Whatever moves the list on the page changes the height of the body, too.
    const resized = new ResizeObserver(soon)
    resized.observe(document.body)
    addEventListener('scroll', soon, { passive: true })
    addEventListener('resize', soon)
    return () => {
      cancelAnimationFrame(frame)
      clearTimeout(slow)
      resized.disconnect()
      removeEventListener('scroll', soon)
      removeEventListener('resize', soon)
    }
  }
}
