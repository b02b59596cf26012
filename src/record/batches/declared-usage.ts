// What declarations cost before a byte of their files has come: counted in the transaction that records them, and bounded.
import { sql, type Transaction } from 'kysely'
import { DAY_MS, type Owner, type Quota } from '../../access.ts'
import type { Database, Schema } from '../../db/schema.ts'
import { CalotypeError } from '../../errors.ts'
import type { FileToDeclare } from './batch-store.ts'
import { encodeName } from '../query-parts.ts'
import { quotaExceeded, quotasOf } from '../uploads/usage.ts'

/** Of one owner, or of an open server. A drop of a million files has a thousand batches, as the page declares a thousand files at a time. */
const MAX_OPEN_BATCHES = 2_000
/** Of one owner, or of an open server, in a day: what is kept about eight million files with ordinary names. */
const MAX_DECLARED_BYTES = 2 * 1024 * 1024 * 1024
/** With a quota of bytes it is that, but this at least: a photograph is a hundred times what is kept about it. */
const MIN_DECLARED_BYTES = 1024 * 1024
/** With a quota of images: so many times as many files may be declared, as drops are cancelled and dropped again. */
const MAX_TIMES_DECLARED = 10
/** What is kept about a file beside its name: its row, its hash and its places in three indexes, as PostgreSQL has them. */
const ROW_BYTES = 250

const declaredBytes = (files: FileToDeclare[]) => files.reduce((sum, { name }) => sum + ROW_BYTES + Buffer.byteLength(encodeName(name)), 0)

/** Batches of theirs whose files may still come. */
const openBatchesOf = (trx: Transaction<Schema>, ownerId: Owner) =>
  trx
    .selectFrom('batches')
    .where('batches.awaits_files', '=', 1)
    .where('batches.owner_id', ownerId === null ? 'is' : '=', ownerId)

async function countOpenBatches(trx: Transaction<Schema>, ownerId: Owner): Promise<number> {
  const { open } = await openBatchesOf(trx, ownerId)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('declared_files')
          .select('declared_files.file_index')
          .whereRef('declared_files.batch_id', '=', 'batches.id')
          .where('declared_files.status', '=', 'needed'),
      ),
    )
    .select(({ fn }) => fn.countAll<number>().as('open'))
    .executeTakeFirstOrThrow()
  return Number(open)
}

async function sumAwaited(trx: Transaction<Schema>, ownerId: Owner): Promise<{ bytes: number; images: number }> {
  const { bytes, images } = await openBatchesOf(trx, ownerId)
    .innerJoin('declared_files', 'declared_files.batch_id', 'batches.id')
    .where('declared_files.status', '=', 'needed')
    .select(({ fn }) => [fn.sum<number | null>('declared_files.size').as('bytes'), fn.countAll<number>().as('images')])
    .executeTakeFirstOrThrow()
  return { bytes: Number(bytes ?? 0), images: Number(images) }
}

/**
 * Counts a declaration; call it before its rows are written, and after its originals are held, as uploads lock them in that order. Throws
 * `quota_exceeded` for more than is left of the day beside what is used and what is still awaited of other declarations, and for more
 * declarations in a day than anybody needs; `too_many_open_batches`. Then nothing of the transaction counts.
 */
export async function countDeclared(
  trx: Transaction<Schema>,
  now: Database['now'],
  { ownerId, files }: { ownerId: Owner; files: FileToDeclare[] },
  quota: Quota,
): Promise<void> {
  // Its row is held until the end of the transaction: of two declarations at the same time the second sees the first.
  const used = await trx
    .insertInto('usage_days')
    .values({
      user_id: ownerId ?? '',
      day: sql<number>`${now} / ${sql.lit(DAY_MS)}`,
      bytes: 0,
      images: 0,
      declared_files: files.length,
      declared_bytes: declaredBytes(files),
    })
    .onConflict((conflict) =>
      conflict.columns(['user_id', 'day']).doUpdateSet((eb) => ({
        declared_files: eb('usage_days.declared_files', '+', eb.ref('excluded.declared_files')),
        declared_bytes: eb('usage_days.declared_bytes', '+', eb.ref('excluded.declared_bytes')),
      })),
    )
    .returning(['bytes', 'images', 'declared_files', 'declared_bytes'])
    .executeTakeFirstOrThrow()
  if ((await countOpenBatches(trx, ownerId)) >= MAX_OPEN_BATCHES) throw new CalotypeError('too_many_open_batches')
  const most = ownerId === null ? NO_END : (await quotasOf(trx, [ownerId], quota))(ownerId)
  if (used.declared_bytes > Math.min(MAX_DECLARED_BYTES, Math.max(most.bytes, MIN_DECLARED_BYTES))) throw quotaExceeded(DECLARED_TOO_OFTEN)
  if (most.bytes === Infinity && most.images === Infinity) return
  if (used.declared_files > most.images * MAX_TIMES_DECLARED) throw quotaExceeded(DECLARED_TOO_OFTEN)
  const awaited = await sumAwaited(trx, ownerId)
  const wanted = files.filter(({ refusal }) => refusal === null)
  const bytes = wanted.reduce((sum, { size }) => sum + size, 0)
  if (used.images + awaited.images + wanted.length > most.images || used.bytes + awaited.bytes + bytes > most.bytes) throw quotaExceeded()
}

const DECLARED_TOO_OFTEN =
  'There were more files declared today than you may, though not sent. Send them without declaring them, or try again after the time in Retry-After, when the next day begins (UTC).'
const NO_END = { bytes: Infinity, images: Infinity }
