// Which images are selected: some, or all of the filter but some. The second is one bit, however many there are.

export class Selection {
  /** Someone said that a click selects, though nothing is selected yet. */
  isBegun = $state(false)
  #isAll = $state(false)
  #version = $state(0)
  /** The selected ones; of all, those that are not. */
  #ids = new Set<string>()

  /** Whether all of the filter are meant, also those that were not read yet. */
  get isAll(): boolean {
    return this.#isAll
  }

  has(id: string): boolean {
    void this.#version
    return this.#ids.has(id) !== this.#isAll
  }

  /** Of a list with so many images. */
  count(total: number): number {
    void this.#version
    return this.#isAll ? Math.max(0, total - this.#ids.size) : this.#ids.size
  }

  /** Which are left out of all, or which there are. */
  get ids(): string[] {
    void this.#version
    return [...this.#ids]
  }

  set(ids: Iterable<string>, selected: boolean): void {
    for (const id of ids) {
      if (selected === this.#isAll) this.#ids.delete(id)
      else this.#ids.add(id)
    }
    this.#version++
  }

  toggle(id: string): void {
    this.set([id], !this.has(id))
  }

  selectAll(): void {
    this.#ids.clear()
    this.#isAll = true
    this.#version++
  }

  /** Ends it. */
  clear(): void {
    this.isBegun = false
    this.#ids.clear()
    this.#isAll = false
    this.#version++
  }
}
