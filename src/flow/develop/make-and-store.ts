// From an original to its renditions in the store: made once by a child, and stored as often as it takes.
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS, TRAITS, type ErrorCode } from '../../error-codes.ts'
import { CalotypeError, toCalotypeError } from '../../errors.ts'
import { failpoint } from '../../failpoints.ts'
import type { Logger } from '../../log.ts'
import type { ImageProcessor, TaskResult, MadeOutput } from '../../process/image-processor.ts'
import type { Finished, Work } from '../../record/work/work-store.ts'
import { originalKey, renditionKey } from '../../rendition/keys.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { hashOfBlob } from '../doctor/examine-original.ts'

interface Deps {
  blobs: BlobStore
  processor: Pick<ImageProcessor, 'develop'>
  log: Logger
}

// When the store refuses: nothing is lost by waiting, so nothing is given up.
const RETRY_MS = 1_000

interface Staged {
  operation: string
  path: string
}

/** Null when it was interrupted: the work is still to be done. `developed` is called when the pixels are done with. */
export async function makeAndStore(deps: Deps, work: Work, developed: () => void, isStopped: () => boolean): Promise<Finished | null> {
  const { sha256, token } = work
  for (;;) {
    const staged = work.operations.map((operation): Staged => ({ operation, path: deps.blobs.stage() }))
    const made = await make(deps, work, staged, isStopped)
    if (made === null) return null
    if (made.outcome === 'failed') return { sha256, token, failure: made.failure }
    developed()
    failpoint('image-developed')
    const stored = await store(deps, sha256, staged, made.outputs, isStopped)
    if (stored === 'interrupted') return null
    failpoint('outputs-stored')
    if (stored === 'stored') return { sha256, token, picture: made.picture, outputs: made.outputs }
  }
}

type Made = Exclude<TaskResult, { outcome: 'interrupted' }>

/** Has a child make the outputs; again, while the store or the disk keeps it from the original. */
async function make({ blobs, processor, log }: Deps, work: Work, outputs: Staged[], isStopped: () => boolean): Promise<Made | null> {
  const { sha256, format } = work
  const failed = (code: ErrorCode, error: string = ERRORS[code]): Made => ({ outcome: 'failed', failure: { code, error } })
  for (;;) {
    try {
      const original = await blobs.checkout(originalKey(sha256))
      failpoint('original-at-hand')
      try {
        const result = await processor.develop({ sha256, format, originalPath: original.path, outputs })
        if (result.outcome === 'interrupted') return null
        if (result.outcome === 'developed') return result
        // Bytes that went bad in the store are not the fault of who sent them.
        if (result.failure.code === 'invalid_image' && (await hashOfBlob(blobs, originalKey(sha256))) !== sha256)
          return failed('original_damaged')
        if (!TRAITS[result.failure.code].isPassing) return result
        log.warn({ sha256, code: result.failure.code }, 'development waits for the store')
      } finally {
        await original.release()
      }
    } catch (error) {
      await Promise.all(outputs.map(({ path }) => blobs.discard(path)))
      const code = error instanceof CalotypeError ? error.code : 'internal'
      log.error({ err: error, sha256 }, 'an image could not be developed')
      if (code === 'not_found') return failed('original_missing')
      if (!TRAITS[code].isPassing) return failed('internal')
    }
    if (isStopped()) return null
    await sleep(RETRY_MS)
  }
}

/**
 * Stores what was made, again and again while the store refuses: pixels are not made twice for that. `lost`: somebody removed the staged
 * files.
 */
async function store(
  { blobs, log }: Deps,
  sha256: string,
  staged: Staged[],
  made: MadeOutput[],
  isStopped: () => boolean,
): Promise<'stored' | 'interrupted' | 'lost'> {
  const isMade = ({ operation }: Staged) => made.some((output) => output.operation === operation && !('failure' in output))
  let left = staged.filter(isMade)
  // Of one that failed, a beginning may lie there.
  await Promise.all(staged.filter((output) => !isMade(output)).map(({ path }) => blobs.discard(path)))
  for (;;) {
    const results = await Promise.allSettled(
      left.map(({ operation, path }) => blobs.put(path, renditionKey(sha256, operation), { canBeMadeAgain: true })),
    )
    const refused = results.find((result) => result.status === 'rejected')
    left = left.filter((_, at) => results[at]!.status === 'rejected')
    if (!refused) return 'stored'
    log.error({ err: toCalotypeError(refused.reason), sha256 }, 'developed images could not be stored; trying again')
    const isLost = !left.every(({ path }) => existsSync(path))
    if (isLost || isStopped()) {
      await Promise.all(left.map(({ path }) => blobs.discard(path)))
      return isLost ? 'lost' : 'interrupted'
    }
    await sleep(RETRY_MS)
  }
}
