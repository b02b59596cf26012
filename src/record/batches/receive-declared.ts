// Files of a declared batch as they come: each in its place gets its image once, whoever sends it how often.
import type { Transaction } from 'kysely'
import type { Owner, Quota } from '../../access.ts'
import type { Database, DeclaredFileRow, Schema } from '../../db/schema.ts'
import { ERRORS, type ErrorCode } from '../../error-codes.ts'
import { failpoint } from '../../failpoints.ts'
import type { Failure, Image } from '../../image.ts'
import type { Arrival, Arrived, ArrivedFile } from './batch-store.ts'
import { selectImages, toImageWithOutcome } from '../images/image-rows.ts'
import { insertImages } from '../images/insert-images.ts'
import { joinOriginals } from '../originals/join-originals.ts'
import { decodeName, encodeName, slices } from '../query-parts.ts'
import type { NewImage } from '../uploads/upload-store.ts'
import { holdBatch, type HeldBatch } from './hold-batch.ts'

type Verdict = { image: Image } | { accepted: string } | { failure: Failure; isNews: boolean }

const failed = (code: ErrorCode, isNews = false): Verdict => ({ failure: { code, error: ERRORS[code] }, isNews })

/** Judges the arrivals one after the other: the second of two in the same place meets the first. */
class Places {
  readonly accepted = new Map<number, NewImage>()
  readonly #batchId: string
  readonly #batch: HeldBatch
  readonly #rows: Map<number, DeclaredFileRow>
  readonly #images: Map<number, Image>

  constructor(batchId: string, batch: HeldBatch, rows: DeclaredFileRow[], images: Image[]) {
    this.#batchId = batchId
    this.#batch = batch
    this.#rows = new Map(rows.map((row) => [row.file_index, row]))
    this.#images = new Map(images.map((image) => [image.batchIndex, image]))
  }

  judge(arrival: Arrival): Verdict {
    const row = arrival.index === null ? undefined : this.#rows.get(arrival.index)
    if (!row) return failed('not_declared')
    const image = this.#images.get(row.file_index)
    // What it had before it was cancelled it has for good, however often that is sent.
    const stays = image !== undefined && image.status !== 'aborted'
    if (this.#batch.isCancelled && !stays) return failed('batch_cancelled')
    if (row.status === 'expired') return failed('batch_expired')
    if ('failure' in arrival) return { failure: arrival.failure, isNews: row.status === 'needed' && !this.accepted.has(row.file_index) }
    if (image) return image.sha256 === arrival.file.sha256 ? { image } : failed('declaration_mismatch')
    // A file that was refused may come again, as it should have been, without being asked for.
    return this.#batch.isOver ? failed('batch_expired') : this.#accept(row, arrival.file)
  }

  #accept(row: DeclaredFileRow, file: ArrivedFile): Verdict {
    const { file_index: batchIndex } = row
    const accepted = this.accepted.get(batchIndex)
    if (accepted) return accepted.sha256 === file.sha256 ? { accepted: accepted.id } : failed('declaration_mismatch')
    if (file.size !== row.size || (row.sha256 !== null && file.sha256 !== row.sha256)) {
      return failed('declaration_mismatch', row.status === 'needed')
    }
    this.accepted.set(batchIndex, { ...file, batchId: this.#batchId, ownerId: this.#batch.ownerId, batchIndex, name: decodeName(row.name) })
    return { accepted: file.id }
  }
}

async function openPlaces(trx: Transaction<Schema>, batchId: string, batch: HeldBatch, arrivals: Arrival[]): Promise<Places> {
  const rows: DeclaredFileRow[] = []
  const images: Image[] = []
  for (const slice of slices([...new Set(arrivals.flatMap(({ index }) => index ?? []))])) {
    rows.push(
      ...(await trx.selectFrom('declared_files').selectAll().where('batch_id', '=', batchId).where('file_index', 'in', slice).execute()),
    )
    const received = rows.some((row) => row.status === 'received')
    if (!received) continue
    const found = await selectImages(trx).where('images.batch_id', '=', batchId).where('images.batch_index', 'in', slice).execute()
    images.push(...found.map(toImageWithOutcome))
  }
  return new Places(batchId, batch, rows, images)
}

/** One transaction: a file is `received` with its image, or neither. */
export function receiveDeclared(database: Database, batchId: string, arrivals: Arrival[], owner: Owner, quota: Quota): Promise<Arrived[]> {
  const { write, now } = database
  return write.transaction().execute(async (trx) => {
    const batch = await holdBatch(trx, database, batchId, owner)
    if (!batch) return arrivals.map(() => ({ failure: { code: 'not_declared', error: ERRORS.not_declared } }))
    const places = await openPlaces(trx, batchId, batch, arrivals)
    const verdicts = arrivals.map((arrival) => places.judge(arrival))

    const images = [...places.accepted.values()]
    const inserted = new Map<string, Image>()
    if (images.length > 0) {
      const recorded = await insertImages(trx, now, images, await joinOriginals(trx, images), quota)
      for (const image of recorded) inserted.set(image.id, image)
    }
    const update = (indexes: number[]) =>
      trx.updateTable('declared_files').where('batch_id', '=', batchId).where('file_index', 'in', indexes)
    for (const slice of slices([...places.accepted.keys()])) {
      await update(slice).set({ status: 'received', code: null, error: null, finished_at: null }).execute()
    }
    for (const [at, verdict] of verdicts.entries()) {
      const { index } = arrivals[at]!
      if (!('failure' in verdict) || !verdict.isNews || index === null || places.accepted.has(index)) continue
      const { code, error } = verdict.failure
      await update([index])
        .set({ status: 'rejected', code, error: encodeName(error), finished_at: now })
        .execute()
    }

    failpoint('arrival-uncommitted')
    const isFirst = (at: number, id: string) => verdicts.findIndex((other) => 'accepted' in other && other.accepted === id) === at
    return verdicts.map((verdict, at): Arrived => {
      if ('failure' in verdict) return { failure: verdict.failure }
      if ('image' in verdict) return { image: verdict.image, isNew: false }
      return { image: inserted.get(verdict.accepted)!, isNew: isFirst(at, verdict.accepted) }
    })
  })
}
