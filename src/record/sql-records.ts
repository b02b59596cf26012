// All stores of the rows on SQL: the same queries on SQLite and PostgreSQL.
import type { Quota } from '../access.ts'
import type { Database } from '../db/schema.ts'
import { createSqlKeptCounts } from './admin/sql-kept-counts.ts'
import { createSqlBatchStore } from './batches/sql-batch-store.ts'
import { createSqlImageStore } from './images/sql-image-store.ts'
import { createSqlOriginalStore } from './originals/sql-original-store.ts'
import type { Records } from './records.ts'
import { createSqlRenditionStore } from './renditions/sql-rendition-store.ts'
import { createSqlUploadStore } from './uploads/sql-upload-store.ts'
import { createSqlWorkStore } from './work/sql-work-store.ts'

/** `quota` is that of users who have none of their own. */
export const createSqlRecords = (database: Database, quota: Quota = { bytes: null, images: null }): Records => ({
  uploads: createSqlUploadStore(database, quota),
  work: createSqlWorkStore(database),
  renditions: createSqlRenditionStore(database),
  images: createSqlImageStore(database),
  batches: createSqlBatchStore(database, quota),
  originals: createSqlOriginalStore(database),
  counts: createSqlKeptCounts(database),
})
