// Leases: who works on a development, or receives a batch, and until when; so that many servers and workers share the rows.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('developments').addColumn('lease_token', 'text').execute()
  await db.schema.alterTable('developments').addColumn('lease_until', 'bigint').execute()
  await db.schema
    .alterTable('developments')
    .addColumn('attempts', 'integer', (c) => c.notNull().defaultTo(0))
    .execute()
  await db.schema.alterTable('batches').addColumn('lease_until', 'bigint').execute()
  await db.schema.alterTable('idempotency_keys').addColumn('lease_until', 'bigint').execute()
}
