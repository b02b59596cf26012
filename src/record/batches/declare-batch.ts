// Declares a batch: its files in rows before their bytes are sent, and images at once for those whose bytes are here.
import { sql, type Transaction } from 'kysely'
import { newId } from '../../new-id.ts'
import type { Owner, Quota } from '../../access.ts'
import type { Database, Schema } from '../../db/schema.ts'
import type { Format, Image } from '../../image.ts'
import type { Declaration, Declared, FileToDeclare } from './batch-store.ts'
import { countDeclared } from './declared-usage.ts'
import { insertImages } from '../images/insert-images.ts'
import { joinOriginals } from '../originals/join-originals.ts'
import { encodeName, isOf, orderedSlices, slices } from '../query-parts.ts'
import { keepAnswer } from '../uploads/idempotency-keys.ts'
import type { NewImage } from '../uploads/upload-store.ts'

// A statement of more is no quicker, and making its text would hold the server up for longer.
const FILES_A_STATEMENT = 500

type Here = Map<string, { size: number; format: Format }>

/** Which of these hashes are originals in use by what someone sees, held until the end of the transaction: nobody releases them meanwhile. */
async function holdKnown(trx: Transaction<Schema>, { canSkipLocked }: Database, hashes: string[], sees: Owner): Promise<Here> {
  const here: Here = new Map()
  for (const slice of orderedSlices(hashes, FILES_A_STATEMENT)) {
    const rows = await trx
      .selectFrom('originals')
      .select(['originals.sha256', 'originals.size', 'originals.format'])
      .where('originals.sha256', 'in', slice)
      // Others are about to be removed, or not here yet.
      .where('originals.released_at', 'is', null)
      .where('originals.collecting_at', 'is', null)
      .$if(sees !== null, (query) =>
        query.where(({ exists, selectFrom }) =>
          exists(selectFrom('images').select('images.id').whereRef('images.sha256', '=', 'originals.sha256').where(isOf(sees, 'images'))),
        ),
      )
      .orderBy('originals.sha256')
      .$if(canSkipLocked, (query) => query.forUpdate('originals'))
      .execute()
    for (const { sha256, size, format } of rows) if (format !== null) here.set(sha256, { size, format })
  }
  return here
}

function knownImages({ batchId, ownerId, files, recipe }: Declaration, here: Here): NewImage[] {
  return files.flatMap(({ name, size, sha256, refusal }, batchIndex) => {
    const known = sha256 !== null && refusal === null ? here.get(sha256) : undefined
    if (sha256 === null || known?.size !== size) return []
    return [{ id: newId(), batchId, ownerId, batchIndex, name, size, sha256, format: known.format, recipe }]
  })
}

function rowOf(batchId: string, index: number, { name, size, sha256, refusal }: FileToDeclare, now: Database['now'], isKnown: boolean) {
  return {
    batch_id: batchId,
    file_index: index,
    name: encodeName(name),
    size,
    sha256,
    status: refusal ? ('rejected' as const) : isKnown ? ('received' as const) : ('needed' as const),
    code: refusal?.code ?? null,
    error: refusal && encodeName(refusal.error),
    finished_at: refusal ? now : null,
  }
}

/** One transaction, whatever the number of files. Throws `quota_exceeded` and `too_many_open_batches`, and then nothing of it is kept. */
export function declareBatch(database: Database, declaration: Declaration, quota: Quota): Promise<Declared> {
  const { write, now } = database
  const { batchId, ownerId, files, ttlMs, sees, idempotency } = declaration
  return write.transaction().execute(async (trx) => {
    const hashes = files.flatMap(({ sha256 }) => sha256 ?? [])
    const known = knownImages(declaration, await holdKnown(trx, database, hashes, sees))
    await countDeclared(trx, now, declaration, quota)
    const needed = files.filter(({ refusal }) => refusal === null).length - known.length
    const batch = await trx
      .insertInto('batches')
      .values({
        id: batchId,
        kind: 'batch',
        owner_id: ownerId,
        created_at: now,
        received_at: now,
        rejected: '[]',
        rejected_files: 0,
        declared: files.length,
        awaits_files: needed > 0 ? 1 : 0,
        expires_at: sql<number>`${now} + ${ttlMs}`,
      })
      .returning('expires_at')
      .executeTakeFirstOrThrow()

    const images = new Map<number, Image>()
    if (known.length > 0) {
      const recorded = await insertImages(trx, now, known, await joinOriginals(trx, known), quota)
      for (const image of recorded) images.set(image.batchIndex, image)
    }
    let first = 0
    for (const slice of slices(files, FILES_A_STATEMENT)) {
      const from = first
      const rows = slice.map((file, at) => rowOf(batchId, from + at, file, now, images.has(from + at)))
      await trx.insertInto('declared_files').values(rows).execute()
      first += slice.length
    }

    const declared: Declared = {
      batchId,
      expiresAt: batch.expires_at!,
      files: files.map(({ refusal }, index) => {
        const image = images.get(index)
        return image ? { image } : refusal && { failure: refusal }
      }),
    }
    if (idempotency) await keepAnswer(trx, batchId, { ...idempotency, answer: idempotency.answer(declared) })
    return declared
  })
}
