// A file looked at here and there, a little of it at a time: how the structure of an original is walked without reading it whole.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const JUMP_BYTES = 4 * 1024
const STRIDE_BYTES = 64 * 1024

/** Synchronous: for a process that has nothing else to do. */
export class FileWindow implements Disposable {
  readonly size: number
  readonly #fd: number
  readonly #buffer = Buffer.allocUnsafe(STRIDE_BYTES)
  #start = 0
  #end = 0

  constructor(path: string) {
    this.#fd = openSync(path, 'r')
    this.size = fstatSync(this.#fd).size
  }

  /** `length` bytes (4 KiB at most) from `at`, good until the next call; null where the file has no such bytes. */
  bytes(at: number, length: number): Buffer | null {
    if (at < this.#start || at + length > this.#end) this.#move(at)
    return at >= this.#start && at + length <= this.#end ? this.#buffer.subarray(at - this.#start, at - this.#start + length) : null
  }

  /** -1 where the file has no such byte. */
  byte(at: number): number {
    if (at < this.#start || at >= this.#end) this.#move(at)
    return at >= this.#start && at < this.#end ? this.#buffer[at - this.#start]! : -1
  }

  #move(at: number) {
    // Who goes on where the window ends reads all of it; who jumps reads little of it.
    const goesOn = at >= this.#start && at <= this.#end + 256
    const length = at < this.size ? readSync(this.#fd, this.#buffer, 0, goesOn ? STRIDE_BYTES : JUMP_BYTES, at) : 0
    this.#start = at
    this.#end = at + length
  }

  [Symbol.dispose]() {
    closeSync(this.#fd)
  }
}
