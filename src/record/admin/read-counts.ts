// Reads the counts that the database keeps: of all images, or of those of one owner, by state and by why they failed.
import type { Kysely } from 'kysely'
import type { Owner } from '../../access.ts'
import type { Schema } from '../../db/schema.ts'
import type { ErrorCode } from '../../error-codes.ts'
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

/** Images of one owner (null: everyone's) in these states (null: in any), and with this code if one is given. */
export async function countKept(db: Kysely<Schema>, owner: Owner, statuses: Status[] | null, code?: ErrorCode): Promise<number> {
  const { images } = await db
    .selectFrom('kept_images')
    .select(({ fn }) => fn.sum<number | null>('images').as('images'))
    .$if(owner !== null, (query) => query.where('owner_id', '=', owner!).where('owner_id', '<>', ''))
    .$if(statuses !== null, (query) => query.where('status', 'in', statuses!))
    .$if(code !== undefined, (query) => query.where('code', '=', code!))
    .executeTakeFirstOrThrow()
  return Number(images ?? 0)
}
