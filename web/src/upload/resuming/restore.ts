// An upload that was cut off by the end of its page: what the manifest and the ledger of the server know of it.
import type { ApiBatch } from '../../../../src/api/batches.ts'
import { ask } from '../../api/client.ts'
import { Problem } from '../../api/problem.ts'
import { Backoff } from '../../live/backoff.ts'
import type { Entry } from '../entry.ts'
import type { Manifest, ManifestBatch, ManifestUpload } from './manifest.ts'

export interface Restored {
  upload: ManifestUpload
  batches: { id: string; entries: Entry[] }[]
}

/** Those that did not come to their end; what did is forgotten. Waits for a server that is away. */
export async function restore(manifest: Manifest): Promise<Restored[]> {
  const restored: Restored[] = []
  for (const upload of await manifest.uploads()) {
    const kept: { saved: ManifestBatch; isOpen: boolean }[] = []
    for (const saved of await manifest.batchesOf(upload.id)) {
      const batch = await askPatiently(saved.id)
      // Deleted on the server: its files are as if they had never been sent.
      if (batch) kept.push({ saved, isOpen: batch.needed - saved.cancelled.length > 0 || batch.pending > 0 || batch.processing > 0 })
    }
    if (upload.hasUndeclared || kept.some(({ isOpen }) => isOpen)) {
      restored.push({ upload, batches: kept.map(({ saved }) => ({ id: saved.id, entries: entriesOf(saved) })) })
    } else {
      await manifest.forget(upload.id)
    }
  }
  return restored
}

function entriesOf({ id, files, cancelled }: ManifestBatch): Entry[] {
  const unwanted = new Set(cancelled)
  return files.map((file, index) => ({
    ...file,
    name: file.path.slice(file.path.lastIndexOf('/') + 1),
    file: null,
    state: unwanted.has(index) ? 'cancelled' : 'missing',
    batch: id,
    index,
    image: null,
    thumbnail: null,
    why: null,
  }))
}

async function askPatiently(id: string): Promise<ApiBatch | null> {
  const backoff = new Backoff({ firstMs: 1_000, mostMs: 15_000 })
  for (;;) {
    try {
      return await ask<ApiBatch>(`/api/batches/${id}`)
    } catch (error) {
      if (!(error instanceof Problem) || !error.isPassing) return null
      await new Promise((resolve) => setTimeout(resolve, backoff.next()))
    }
  }
}
