// The last failures of a code are looked for among images, which are there, instead of developments, whose images may be deleted.
import { sql, type Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('developments_failed').execute()
  await db.schema
    .createIndex('images_failed')
    .on('images')
    .columns(['code', 'finished_at', 'id'])
    .where(sql<boolean>`code is not null`)
    .execute()
}
