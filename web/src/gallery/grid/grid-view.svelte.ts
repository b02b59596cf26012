// Which rows of the grid are in sight: from its width, how far the window is scrolled into it and how many images there are.
import { TallScroll } from './tall-scroll.ts'

/** Rows drawn above and below what is seen, so that a scroll of a frame or two finds them there. */
const SPARE_ROWS = 2
/** Scrolled by more than this many views in a frame, images fly by unseen: their colours will do. */
const FAST_VIEWS = 0.6
const CALM_AFTER_MS = 120

const GAP_PX = 4
const [PHONE_PX, TABLET_PX] = [520, 900]
const LEAST_CELL_PX = 190

function columnsFor(widthPx: number): number {
  if (widthPx < PHONE_PX) return 3
  if (widthPx < TABLET_PX) return 4
  return Math.max(5, Math.floor((widthPx + GAP_PX) / (LEAST_CELL_PX + GAP_PX)))
}

export class GridView {
  columns = $state(1)
  cellPx = $state(0)
  heightPx = $state(0)
  /** The rows to draw, both included; none while there is no size. */
  first = $state(0)
  last = $state(-1)
  /** What is added to `row * rowPx` to get its place in the element that scrolls. */
  shiftPx = $state(0)
  isAtTop = $state(true)
  /** Images fly by: what is not there yet needs not be fetched. */
  isFast = $state(false)
  readonly gapPx = GAP_PX
  readonly #scroll = new TallScroll()
  #viewPx = 0
  #total = 0
  #calm: ReturnType<typeof setTimeout> | undefined

  get rowPx(): number {
    return this.cellPx + GAP_PX
  }

  get rows(): number {
    return Math.ceil(this.#total / this.columns)
  }

  /** How many rows are seen at once, whole ones: a page up or down. */
  get pageRows(): number {
    return Math.max(1, Math.floor(this.#viewPx / this.rowPx))
  }

  /** Gives how far to scroll into the grid so that the image in the upper left stays in sight, or null where it is. */
  resize(widthPx: number, viewPx: number): number | null {
    if (widthPx === 0) return null
    const anchor = this.cellPx === 0 ? 0 : Math.round(this.#scroll.positionPx / this.rowPx) * this.columns
    const columns = columnsFor(widthPx)
    const cellPx = (widthPx - (columns - 1) * GAP_PX) / columns
    const isSame = columns === this.columns && cellPx === this.cellPx
    this.columns = columns
    this.cellPx = cellPx
    this.#viewPx = viewPx
    this.#layOut()
    if (isSame || anchor === 0) return null
    return this.#moveTo(Math.floor(anchor / columns) * this.rowPx)
  }

  setTotal(total: number): void {
    this.#total = total
    if (this.cellPx > 0) this.#layOut()
  }

  scrolledTo(barPx: number): void {
    const before = this.#scroll.positionPx
    this.#scroll.scrolledTo(barPx)
    if (Math.abs(this.#scroll.positionPx - before) > this.#viewPx * FAST_VIEWS) {
      this.isFast = true
      clearTimeout(this.#calm)
      this.#calm = setTimeout(() => (this.isFast = false), CALM_AFTER_MS)
    }
    this.#look()
  }

  /** How far to scroll into the grid for this image to be in sight, or null where it is. */
  reveal(place: number): number | null {
    const top = Math.floor(place / this.columns) * this.rowPx
    const position = this.#scroll.positionPx
    if (top >= position && top + this.cellPx <= position + this.#viewPx) return null
    return this.#moveTo(top < position ? top : top + this.rowPx - this.#viewPx)
  }

  end(): void {
    clearTimeout(this.#calm)
  }

  #moveTo(positionPx: number): number {
    const barPx = this.#scroll.moveTo(positionPx)
    this.#look()
    return barPx
  }

  #layOut(): void {
    this.#scroll.resize(Math.max(0, this.rows * this.rowPx - GAP_PX), this.#viewPx)
    this.heightPx = this.#scroll.heightPx
    this.#look()
  }

  #look(): void {
    const position = this.#scroll.positionPx
    this.first = Math.max(0, Math.floor(position / this.rowPx) - SPARE_ROWS)
    this.last = Math.min(this.rows - 1, Math.ceil((position + this.#viewPx) / this.rowPx) + SPARE_ROWS)
    this.shiftPx = this.#scroll.shiftPx
    this.isAtTop = position < this.rowPx / 2
  }
}
