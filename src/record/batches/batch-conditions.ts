// Conditions on batches by what they have, shared by all that end or remove them.
import type { ExpressionBuilder } from 'kysely'
import type { Schema } from '../../db/schema.ts'

type Batches = ExpressionBuilder<Schema, 'batches'>

export const hasNoImage = ({ not, exists, selectFrom }: Batches) =>
  not(exists(selectFrom('images').select('images.id').whereRef('images.batch_id', '=', 'batches.id')))

/** No file that was declared is still to be sent. */
export const awaitsNoFile = ({ not, exists, selectFrom }: Batches) =>
  not(
    exists(
      selectFrom('declared_files')
        .select('declared_files.file_index')
        .whereRef('declared_files.batch_id', '=', 'batches.id')
        .where('declared_files.status', '=', 'needed'),
    ),
  )
