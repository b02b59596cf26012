// Which rows of a list are chosen: some of those that were read, or all that the filter finds.
export class Picked {
  #isAll = $state(false)
  #ids = $state.raw<ReadonlySet<string>>(new Set())

  /** Also those that were not read yet. */
  get isAll(): boolean {
    return this.#isAll
  }

  get ids(): ReadonlySet<string> {
    return this.#ids
  }

  get isEmpty(): boolean {
    return !this.#isAll && this.#ids.size === 0
  }

  has(id: string): boolean {
    return this.#isAll || this.#ids.has(id)
  }

  /** Without one, all are not all any more: those on the screen stay chosen. */
  toggle(id: string, read: readonly { id: string }[]): void {
    const ids = new Set(this.#isAll ? read.map((row) => row.id) : this.#ids)
    if (!ids.delete(id)) ids.add(id)
    this.#isAll = false
    this.#ids = ids
  }

  set(ids: Iterable<string>): void {
    this.#isAll = false
    this.#ids = new Set(ids)
  }

  all(): void {
    this.#isAll = true
    this.#ids = new Set()
  }

  clear(): void {
    this.set([])
  }
}
