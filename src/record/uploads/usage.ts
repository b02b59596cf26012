// What each user has uploaded and declared in a day: counted in the transaction that records it, so that it is exact, and held against
// their quota.
import { sql, type Transaction } from 'kysely'
import { DAY_MS, untilTomorrowSeconds, type Quota } from '../../access.ts'
import type { Database, Schema } from '../../db/schema.ts'
import { CalotypeError } from '../../errors.ts'
import type { NewImage } from './upload-store.ts'

type Now = Database['now']

/** Throws `quota_exceeded`, and then nothing of the transaction counts. `quota` is that of who has none of their own. */
export async function countUsage(trx: Transaction<Schema>, now: Now, images: NewImage[], quota: Quota): Promise<void> {
  const byUser = Map.groupBy(
    images.filter(({ ownerId }) => ownerId !== null),
    ({ ownerId }) => ownerId!,
  )
  if (byUser.size === 0) return
  const rows = [...byUser].map(([user_id, own]) => ({
    user_id,
    day: sql<number>`${now} / ${sql.lit(DAY_MS)}`,
    bytes: own.reduce((sum, { size }) => sum + size, 0),
    images: own.length,
  }))
  const used = await trx
    .insertInto('usage_days')
    // Sorted, so that two servers lock rows in the same order.
    .values(rows.sort((a, b) => (a.user_id < b.user_id ? -1 : 1)))
    .onConflict((conflict) =>
      conflict.columns(['user_id', 'day']).doUpdateSet((eb) => ({
        bytes: eb('usage_days.bytes', '+', eb.ref('excluded.bytes')),
        images: eb('usage_days.images', '+', eb.ref('excluded.images')),
      })),
    )
    .returning(['user_id', 'bytes', 'images'])
    .execute()
  const mostOf = await quotasOf(trx, [...byUser.keys()], quota)
  for (const { user_id, bytes, images } of used) {
    const most = mostOf(user_id)
    if (bytes > most.bytes || images > most.images) throw quotaExceeded()
  }
}

/** Of each user, what they may in a day; no end is Infinity. */
export async function quotasOf(trx: Transaction<Schema>, userIds: string[], quota: Quota) {
  const own = await trx.selectFrom('users').select(['id', 'quota_bytes', 'quota_images']).where('id', 'in', userIds).execute()
  const quotaOf = new Map(own.map(({ id, quota_bytes: bytes, quota_images: images }) => [id, { bytes, images }]))
  return (userId: string) => {
    const most = quotaOf.get(userId)
    return { bytes: most?.bytes ?? quota.bytes ?? Infinity, images: most?.images ?? quota.images ?? Infinity }
  }
}

export const quotaExceeded = (sentence?: string) =>
  new CalotypeError('quota_exceeded', sentence, { retryAfterSeconds: untilTomorrowSeconds() })

/** Of an upload that was cut off: what it counted, before its images are `aborted`. */
export async function uncountUsage(trx: Transaction<Schema>, batchId: string): Promise<void> {
  const day = sql<number>`uploaded_at / ${sql.lit(DAY_MS)}`
  const counted = await trx
    .selectFrom('images')
    .select(['owner_id', day.as('day'), sql<number>`cast(sum(size) as bigint)`.as('bytes'), sql<number>`count(*)`.as('images')])
    .where('batch_id', '=', batchId)
    .where('status', '!=', 'aborted')
    .where('owner_id', 'is not', null)
    .groupBy(['owner_id', day])
    .execute()
  for (const { owner_id, day, bytes, images } of counted) {
    await trx
      .updateTable('usage_days')
      .set((eb) => ({ bytes: eb('bytes', '-', bytes), images: eb('images', '-', images) }))
      .where('user_id', '=', owner_id!)
      .where('day', '=', day)
      .execute()
  }
}
