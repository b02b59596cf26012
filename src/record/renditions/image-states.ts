// What the status of an image follows from: its original, and the renditions that its recipe asks for.
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Schema } from '../../db/schema.ts'
import { codesThat, type ErrorCode } from '../../error-codes.ts'
import type { Status } from '../../image.ts'

/** Renditions that the recipe of the image asks for, with a condition on their rows. */
export const outputs = (condition: RawBuilder<unknown>) => sql`
  from recipe_outputs left join renditions
    on renditions.sha256 = images.sha256 and renditions.operation = recipe_outputs.operation
  where recipe_outputs.recipe = images.recipe and recipe_outputs.format = images.format and ${condition}`

const isIncomplete = sql`exists (select 1 ${outputs(sql`coalesce(renditions.status, 'pending') <> 'completed'`)})`
const hasFault = sql`exists (select 1 ${outputs(sql`renditions.status = 'error'`)})`

export const LOST = codesThat('isLoss')

const isLost = sql`originals.status = 'failed' and originals.code in (${sql.join(LOST.map((lost) => sql.lit(lost)))})`

/**
 * One whose outputs are all there is completed, whatever became of others that were asked for later; one whose bytes or outputs have a
 * fault is in error; else it is where the work is.
 */
const status = sql<Status>`case
  when ${isLost} then 'error'
  when not ${isIncomplete} then 'completed'
  when originals.status = 'failed' or ${hasFault} then 'error'
  when originals.status = 'processing' then 'processing'
  else 'pending' end`

const code = sql<ErrorCode | null>`case
  when ${isLost} then originals.code
  when not ${isIncomplete} then null
  when originals.status = 'failed' then originals.code
  else (select min(renditions.code) ${outputs(sql`renditions.status = 'error'`)}) end`

/** Images beside the status and code that follow from the rows of their originals and renditions. */
export const derivedStates = (db: Kysely<Schema>) =>
  db
    .selectFrom('images')
    .innerJoin('originals', 'originals.sha256', 'images.sha256')
    .select(['images.id', status.as('status'), code.as('code')])
