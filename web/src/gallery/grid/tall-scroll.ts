// Scrolls what is taller than browsers allow: an element has at most 16.7 million device pixels, a hundred thousand rows have more.

/** Half of 16.7 million, for screens with two device pixels to a CSS pixel. */
export const MAX_SCROLL_HEIGHT_PX = 8_000_000

/** Nobody turns a wheel, or throws with a finger, further than so many views in a frame. */
const LEAP_VIEWS = 2

/**
 * Up to the cap, the position is what the scroll bar says. Beyond it, small steps move the content by as much as they moved the
 * bar (a wheel or a finger feels as ever), while a leap, the bar dragged, goes to the same part of the whole; both ends are both ends.
 */
export class TallScroll {
  #contentPx = 0
  #viewPx = 0
  #barPx = 0
  #positionPx = 0

  resize(contentPx: number, viewPx: number): void {
    const wasCapped = this.isCapped
    this.#contentPx = contentPx
    this.#viewPx = viewPx
    this.#barPx = clamp(this.#barPx, 0, this.#maxBarPx)
    if (!wasCapped || !this.isCapped) this.#positionPx = this.#proportional(this.#barPx)
    this.#positionPx = clamp(this.#positionPx, 0, this.#maxPositionPx)
  }

  /** How tall the element that scrolls has to be. */
  get heightPx(): number {
    return Math.min(this.#contentPx, MAX_SCROLL_HEIGHT_PX)
  }

  get isCapped(): boolean {
    return this.#contentPx > MAX_SCROLL_HEIGHT_PX
  }

  /** Where in the content the upper edge of the view is. */
  get positionPx(): number {
    return this.#positionPx
  }

  /** What has to be added to a place in the content to get its place in the element that scrolls. */
  get shiftPx(): number {
    return this.#barPx - this.#positionPx
  }

  /** The bar was moved to here. */
  scrolledTo(barPx: number): void {
    const to = clamp(barPx, 0, this.#maxBarPx)
    const step = to - this.#barPx
    const atAnEnd = to === 0 || to >= this.#maxBarPx - 1
    const isLeap = Math.abs(step) > this.#viewPx * LEAP_VIEWS
    this.#barPx = to
    this.#positionPx = !this.isCapped || atAnEnd || isLeap ? this.#proportional(to) : clamp(this.#positionPx + step, 0, this.#maxPositionPx)
  }

  /** Where the bar has to be for the content to be at `positionPx`; `scrolledTo` with it is this position exactly. */
  moveTo(positionPx: number): number {
    this.#positionPx = clamp(positionPx, 0, this.#maxPositionPx)
    const bar = this.isCapped ? Math.round((this.#positionPx / this.#maxPositionPx) * this.#maxBarPx) : this.#positionPx
    // The ends of the bar are the ends of the content and nothing else.
    const isWithin = this.isCapped && this.#positionPx > 0 && this.#positionPx < this.#maxPositionPx
    this.#barPx = isWithin ? clamp(bar, 1, this.#maxBarPx - 2) : bar
    return this.#barPx
  }

  get #maxPositionPx(): number {
    return Math.max(0, this.#contentPx - this.#viewPx)
  }

  get #maxBarPx(): number {
    return Math.max(0, this.heightPx - this.#viewPx)
  }

  #proportional(barPx: number): number {
    if (!this.isCapped) return clamp(barPx, 0, this.#maxPositionPx)
    return clamp((barPx / this.#maxBarPx) * this.#maxPositionPx, 0, this.#maxPositionPx)
  }
}

const clamp = (value: number, least: number, most: number) => Math.min(Math.max(value, least), most)
