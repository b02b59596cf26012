// Looks at one original: whether its bytes are there, and whether they still are what was uploaded.
import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { ERRORS, TRAITS } from '../../error-codes.ts'
import { CalotypeError } from '../../errors.ts'
import { originalKey } from '../../rendition/keys.ts'
import type { HeldOriginal, RowSurvey } from '../../record/admin/row-survey.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { mend, type Finding, type Report } from './findings.ts'

/** The SHA-256 of a blob, hex. Rejects with `not_found`, or with why it can not be read. */
export async function hashOfBlob(blobs: BlobStore, key: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(await blobs.read(key), hash)
  return hash.digest('hex')
}

/**
 * Bytes of a blob; null when it is missing, for which two different questions have to be answered so: an answer to the first has nothing
 * in it that shows who gave it. Rejects when that can not be told.
 */
export async function sizeOfBlob(blobs: BlobStore, key: string): Promise<number | null> {
  const stat = await blobs.stat(key)
  if (stat) return stat.size
  try {
    ;(await blobs.read(key)).destroy()
  } catch (error) {
    if (error instanceof CalotypeError && error.code === 'not_found') return null
    throw error
  }
  throw new CalotypeError('storage_unavailable', `${key} is there and is not, by turns`)
}

type Fault = { code: 'original_missing' | 'original_damaged'; what: string }

/** Null: it is sound. Rejects when that can not be told. `hash`: reads all of it. */
async function faultOf(blobs: BlobStore, { sha256, size }: { sha256: string; size: number }, hash: boolean): Promise<Fault | null> {
  const key = originalKey(sha256)
  const missing: Fault = { code: 'original_missing', what: `An original is missing: ${key}` }
  const found = await sizeOfBlob(blobs, key)
  if (found === null) return missing
  if (found !== size) {
    return { code: 'original_damaged', what: `An original has ${found} bytes where ${size} were uploaded: ${key}` }
  }
  if (!hash) return null
  try {
    const found = await hashOfBlob(blobs, key)
    if (found === sha256) return null
    // Read again: what was damaged on its way here would differ.
    if ((await hashOfBlob(blobs, key)) !== found) throw new CalotypeError('storage_unavailable', `${key} reads differently each time`)
    return { code: 'original_damaged', what: `An original has other bytes than were uploaded, with SHA-256 ${found}: ${key}` }
  } catch (error) {
    if (error instanceof CalotypeError && error.code === 'not_found') return missing
    throw error
  }
}

/** Whether its images say already that it is lost. */
export const isKnownLost = ({ status, code }: HeldOriginal) => status === 'failed' && code !== null && TRAITS[code].isLoss === true

interface Deps {
  blobs: BlobStore
  survey: RowSurvey
  report: Report
}

/** Reports what is wrong with it, and mends that. Returns whether its bytes are there. Rejects when that can not be told. */
export async function examineOriginal(
  { blobs, survey, report }: Deps,
  repair: boolean,
  { sha256 }: HeldOriginal,
  hash: boolean,
): Promise<'sound' | 'lost' | 'known lost'> {
  const before = await survey.original(sha256)
  // Deleted meanwhile.
  if (!before) return 'lost'
  const known = isKnownLost(before)
  const fault = await faultOf(blobs, before, hash || known)
  const held = await survey.original(sha256)
  if (!held) return 'lost'
  const finding = (code: Finding['code'], what: string) => ({ code, what, about: originalKey(sha256) })
  const again = async () => void (await survey.takeBack([sha256]))
  if (!fault) {
    if (known) await mend({ report, repair }, finding('original_back', `An original that was lost is back: ${originalKey(sha256)}`), again)
    return 'sound'
  }
  if (known) return 'known lost'
  await mend({ report, repair }, finding(fault.code, fault.what), async () => {
    await survey.giveUp([sha256], { code: fault.code, error: ERRORS[fault.code] })
    // Uploaded again at the same moment, it was not lost after all.
    if (!(await faultOf(blobs, before, true))) await again()
  })
  return 'lost'
}
