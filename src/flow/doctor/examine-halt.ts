// Whether deletion is halted, or has to be, after the whole store was looked at; and ends a halt that has no reason any more.
import type { KnownStore } from '../../record/originals/known-store.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { haltInWords, useTogether } from '../originals/check-store.ts'
import { mend, type Report } from './findings.ts'
import { tally, type UnknownOriginal } from '../originals/unknown-originals.ts'

interface Deps {
  blobs: BlobStore
  knownStore: KnownStore
  report: Report
}

export interface Looked {
  repair: boolean
  unknown: UnknownOriginal[]
  /** Whether there was nothing that could not be looked at. */
  isWhole: boolean
}

/** Rejects when the rows or the store can't be read. */
export async function examineHalt({ blobs, knownStore, report }: Deps, { repair, unknown, isWhole }: Looked): Promise<void> {
  if (unknown.length > 0) {
    const figures = tally(unknown)
    if (repair) await knownStore.halt('unknown_originals', figures)
    return report({ code: 'deletion_halted', what: haltInWords('unknown_originals', figures), mended: false })
  }
  const [storeRun, { runId, halt }] = await Promise.all([blobs.readRunId(), knownStore.read()])
  // Until a server of this version has started on them, they have no run id.
  const isAnother = runId !== storeRun
  if (!halt && !isAnother) return
  const what = halt
    ? haltInWords(halt.reason, halt.unknown)
    : 'The store was last used with another database, or another copy of it. The next start looks through all of it.'
  // What is not known to be whole is left to a person.
  await mend({ report, repair: repair && isWhole }, { code: 'deletion_halted', what }, () => useTogether({ blobs, knownStore }))
}
