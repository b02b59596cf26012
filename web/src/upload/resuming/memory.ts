// What is remembered of this upload beyond the page, and for how long: until all of it came to its end.
import type { Entry } from '../entry.ts'
import { randomKey } from '../sending/random-key.ts'
import { Manifest, type ManifestUpload } from './manifest.ts'
import { restore, type Restored } from './restore.ts'

const fresh = (): ManifestUpload => ({ id: randomKey(), startedAt: Date.now(), hasUndeclared: false })

export class Memory {
  readonly #manifest = new Manifest()
  #upload = fresh()
  /** Uploads that have something in the manifest. */
  #kept: string[] = []

  async restore(): Promise<Restored[]> {
    const restored = await restore(this.#manifest)
    this.#kept.push(...restored.map(({ upload }) => upload.id))
    return restored
  }

  /** `hasUndeclared`: files were dropped that no batch has yet. */
  async keep(hasUndeclared: boolean): Promise<void> {
    if (!this.#kept.includes(this.#upload.id)) this.#kept.push(this.#upload.id)
    else if (this.#upload.hasUndeclared === hasUndeclared) return
    this.#upload.hasUndeclared = hasUndeclared
    await this.#manifest.saveUpload({ ...this.#upload })
  }

  async keepBatch(id: string, entries: readonly Entry[]): Promise<void> {
    const cancelled = entries.flatMap(({ state }, index) => (state === 'cancelled' ? [index] : []))
    const files = entries.map(({ path, size, lastModified, sha256 }) => ({ path, size, lastModified, sha256 }))
    await this.#manifest.saveBatch({ id, upload: this.#upload.id, files, cancelled })
  }

  cancel({ batch, index }: Entry): void {
    if (batch !== null) void this.#manifest.cancel(batch, index)
  }

  async forget(): Promise<void> {
    if (this.#kept.length === 0) return
    const ids = this.#kept.splice(0)
    this.#upload = fresh()
    for (const id of ids) await this.#manifest.forget(id)
  }
}
