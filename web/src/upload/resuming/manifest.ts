// What the browser remembers of an upload, so that one that was cut off goes on: names and hashes, never the bytes.
import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import type { Entry } from '../entry.ts'

export type ManifestFile = Pick<Entry, 'path' | 'size' | 'lastModified' | 'sha256'>

export interface ManifestBatch {
  id: string
  upload: string
  /** In the order of the declaration. */
  files: ManifestFile[]
  /** Places of files that are not wanted any more. */
  cancelled: number[]
}

export interface ManifestUpload {
  id: string
  startedAt: number
  /** Files were dropped that no batch has yet. */
  hasUndeclared: boolean
}

interface Schema extends DBSchema {
  uploads: { key: string; value: ManifestUpload }
  batches: { key: string; value: ManifestBatch; indexes: { upload: string } }
}

/** Batches are gone on the server by then. */
const KEPT_MS = 8 * 24 * 3_600_000

/** A browser that keeps nothing (a private window, a full disk) uploads all the same; it only can't go on later. */
export class Manifest {
  readonly #opening: Promise<IDBPDatabase<Schema> | null>

  constructor() {
    this.#opening = openDB<Schema>('calotype', 1, {
      upgrade(database) {
        database.createObjectStore('uploads', { keyPath: 'id' })
        database.createObjectStore('batches', { keyPath: 'id' }).createIndex('upload', 'upload')
      },
      // Somebody else signed in in another tab, which would wait for us to delete it.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    }).catch(() => null)
  }

  saveUpload(upload: ManifestUpload): Promise<void> {
    return this.#try(async (database) => void (await database.put('uploads', upload)))
  }

  saveBatch(batch: ManifestBatch): Promise<void> {
    return this.#try(async (database) => void (await database.put('batches', batch)))
  }

  /** Newest first. Those too old to go on are forgotten. */
  async uploads(): Promise<ManifestUpload[]> {
    let uploads: ManifestUpload[] = []
    await this.#try(async (database) => void (uploads = await database.getAll('uploads')))
    for (const { id, startedAt } of uploads) if (startedAt < Date.now() - KEPT_MS) await this.forget(id)
    return uploads.filter(({ startedAt }) => startedAt >= Date.now() - KEPT_MS).sort((a, b) => b.startedAt - a.startedAt)
  }

  async batchesOf(upload: string): Promise<ManifestBatch[]> {
    let batches: ManifestBatch[] = []
    await this.#try(async (database) => void (batches = await database.getAllFromIndex('batches', 'upload', upload)))
    return batches
  }

  async cancel(batch: string, index: number): Promise<void> {
    await this.#try(async (database) => {
      const transaction = database.transaction('batches', 'readwrite')
      const known = await transaction.store.get(batch)
      if (known) await transaction.store.put({ ...known, cancelled: [...known.cancelled, index] })
      await transaction.done
    })
  }

  async forget(upload: string): Promise<void> {
    await this.#try(async (database) => {
      const transaction = database.transaction(['uploads', 'batches'], 'readwrite')
      for (const key of await transaction.objectStore('batches').index('upload').getAllKeys(upload)) {
        await transaction.objectStore('batches').delete(key)
      }
      await transaction.objectStore('uploads').delete(upload)
      await transaction.done
    })
  }

  async #try(action: (database: IDBPDatabase<Schema>) => Promise<void>): Promise<void> {
    const database = await this.#opening
    if (database) await action(database).catch(() => {})
  }
}
