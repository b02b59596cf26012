// Finds a file again: one that is dropped a second time, or has the bytes of another.
import { type Entry, type FoundFile, looseKey, placeKey } from '../entry.ts'

const isGivenUp = ({ state }: Entry) => state === 'failed' || state === 'refused' || state === 'cancelled'

export class KnownFiles {
  readonly #byPlace = new Map<string, Entry>()
  /** Of an upload that was cut off: its files may be chosen another way, without their folder. */
  readonly #missing = new Map<string, Entry>()
  readonly #byHash = new Map<string, Entry>()

  add(entry: Entry): void {
    this.#byPlace.set(placeKey(entry), entry)
  }

  addRestored(entry: Entry): void {
    this.add(entry)
    this.#missing.set(looseKey(entry), entry)
    if (entry.sha256 !== null) this.#byHash.set(entry.sha256, entry)
  }

  find({ file, path }: FoundFile): Entry | undefined {
    const { size, lastModified } = file
    const identity = { path, size, lastModified }
    return this.#byPlace.get(placeKey(identity)) ?? this.#missing.get(looseKey(identity))
  }

  /** Another one with the same bytes, that is with the server or on its way. The first one that asks is the one for the next. */
  twin(entry: Entry): Entry | undefined {
    const other = this.#byHash.get(entry.sha256!)
    if (other && other !== entry && !isGivenUp(other)) return other
    this.#byHash.set(entry.sha256!, entry)
    return undefined
  }

  forgetHash({ sha256 }: Entry): void {
    if (sha256 !== null) this.#byHash.delete(sha256)
  }

  clear(): void {
    for (const map of [this.#byPlace, this.#missing, this.#byHash]) map.clear()
  }
}
