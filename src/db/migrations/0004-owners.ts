// Owners: whose batches and images they are. Without one: of a server that is open to everyone who reaches it.
import { sql, type Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // No reference to the users: what someone uploaded outlives their account until somebody deletes it.
  await db.schema.alterTable('batches').addColumn('owner_id', 'text').execute()
  await db.schema.alterTable('images').addColumn('owner_id', 'text').execute()
  // An open server pays nothing for them.
  await db.schema
    .createIndex('images_by_owner')
    .on('images')
    .columns(['owner_id', 'uploaded_at', 'id'])
    .where(sql<boolean>`owner_id is not null`)
    .execute()
  await db.schema
    .createIndex('batches_by_owner')
    .on('batches')
    .columns(['owner_id', 'created_at', 'id'])
    .where(sql<boolean>`owner_id is not null`)
    .execute()
}
