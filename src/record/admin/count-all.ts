// Counts of all images as the database keeps them: by state, by why they failed, and their bytes.
import type { Kysely } from 'kysely'
import type { Schema } from '../../db/schema.ts'
import { STATUSES, type Status } from '../../image.ts'
import type { Counts } from './overview.ts'

export async function countAll(db: Kysely<Schema>): Promise<Counts> {
  const rows = await db
    .selectFrom('kept_images')
    .select(({ fn }) => ['status', 'code', fn.sum<number>('images').as('images'), fn.sum<number>('bytes').as('bytes')])
    .groupBy(['status', 'code'])
    .execute()
  const sum = (some: typeof rows, of: 'images' | 'bytes') => some.reduce((all, row) => all + Number(row[of]), 0)
  const byStatus = Map.groupBy(rows, ({ status }) => status)
  return {
    images: Object.fromEntries(STATUSES.map((status) => [status, sum(byStatus.get(status) ?? [], 'images')])) as Record<Status, number>,
    failures: (byStatus.get('error') ?? [])
      .flatMap(({ code, images }) => (code === '' || Number(images) === 0 ? [] : { code, images: Number(images) }))
      .sort((a, b) => b.images - a.images || (a.code < b.code ? -1 : 1)),
    bytes: sum(rows, 'bytes'),
  }
}
