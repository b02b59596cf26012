// The lock of originals: whoever changes an original, its renditions or its images takes it first.
import type { Transaction } from 'kysely'
import type { Database, Schema } from '../../db/schema.ts'
import { orderedSlices } from '../query-parts.ts'

/**
 * Until the end of the transaction nobody else changes these originals, their renditions and their images. They are locked in the order of
 * their hashes, so that no two transactions wait for each other. A database with one writer needs no lock.
 */
export async function lockOriginals(trx: Transaction<Schema>, { canSkipLocked }: Database, hashes: string[]): Promise<void> {
  if (!canSkipLocked) return
  for (const slice of orderedSlices(hashes))
    await trx.selectFrom('originals').select('sha256').where('sha256', 'in', slice).orderBy('sha256').forUpdate().execute()
}
