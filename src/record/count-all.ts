// Counts of all images: by state, by why they failed, and their bytes.
import type { Kysely } from 'kysely'
import type { Schema } from '../db/schema.ts'
import { STATUSES, type Status } from '../image.ts'
import type { Counts } from './overview.ts'

export async function countAll(db: Kysely<Schema>): Promise<Counts> {
  const byStatus = await db
    .selectFrom('images')
    .select(({ fn }) => ['status', fn.countAll<number>().as('images')])
    .groupBy('status')
    .execute()
  const byCode = await db
    .selectFrom('images')
    .innerJoin('developments', (join) =>
      join.onRef('developments.sha256', '=', 'images.sha256').onRef('developments.recipe', '=', 'images.recipe'),
    )
    .select(({ fn }) => ['developments.code', fn.countAll<number>().as('images')])
    .where('images.status', '=', 'error')
    .groupBy('developments.code')
    .execute()
  const { bytes } = await db
    .selectFrom('originals')
    .select(({ fn }) => fn.sum<number | null>('size').as('bytes'))
    .where('released_at', 'is', null)
    .executeTakeFirstOrThrow()
  const counts = new Map(byStatus.map(({ status, images }) => [status, Number(images)]))
  return {
    images: Object.fromEntries(STATUSES.map((status) => [status, counts.get(status) ?? 0])) as Record<Status, number>,
    failures: byCode
      .flatMap(({ code, images }) => (code === null ? [] : { code, images: Number(images) }))
      .sort((a, b) => b.images - a.images || (a.code < b.code ? -1 : 1)),
    originalBytes: Number(bytes ?? 0),
  }
}
