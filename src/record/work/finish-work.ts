// Ends work: outcomes become rows of renditions and originals, and decide the images that wait for them, many in one transaction.
import { sql, type Kysely } from 'kysely'
import type { Database, ImageRow, Schema } from '../../db/schema.ts'
import type { Image } from '../../image.ts'
import { DONE_AGAIN } from './claim-work.ts'
import { derivedStates } from '../renditions/image-states.ts'
import type { Finished } from './work-store.ts'
import {
  IMAGE_COLUMNS,
  operationFor,
  outcomeOf,
  selectImages,
  toImage,
  toImageWithOutcome,
  type OutcomeColumns,
} from '../images/image-rows.ts'

/** A common table expression of these rows; the casts tell PostgreSQL the types of the columns. */
function tableOf<Column extends string>(name: string, types: Record<Column, string>, rows: Record<Column, unknown>[]) {
  const columns = Object.keys(types) as Column[]
  const values = rows.map((row) => sql`(${sql.join(columns.map((column) => sql`cast(${row[column]} as ${sql.raw(types[column])})`))})`)
  return sql`${sql.ref(name)}(${sql.join(columns.map((column) => sql.ref(column)))}) as (values ${sql.join(values)})`
}

const OUTPUT = {
  sha256: 'text',
  token: 'text',
  operation: 'text',
  width: 'integer',
  height: 'integer',
  bytes: 'bigint',
  code: 'text',
  error: 'text',
}

/** Originals that are still held under the token of their outcome, locked in the order in which everybody locks them (`lock-originals.ts`). */
const stillHeld = ({ canSkipLocked }: Database, results: Finished[]) => sql`(
  select sha256, lease_token from originals
  where sha256 in (${sql.join(results.map(({ sha256 }) => sha256))}) and status = 'processing'
    and lease_token in (${sql.join([...new Set(results.map(({ token }) => token))])})
  order by sha256 ${canSkipLocked ? sql`for update` : sql``}) as held`

function finishRenditions(database: Database, results: Finished[]) {
  const rows = results.flatMap((result) =>
    'failure' in result
      ? []
      : result.outputs.map((output) => {
          const { sha256, token } = result
          const made = 'failure' in output ? { width: null, height: null, size: null } : output
          const failure = 'failure' in output ? output.failure : { code: null, error: null }
          const { width, height, size: bytes } = made
          return { sha256, token, operation: output.operation, width, height, bytes, ...failure }
        }),
  )
  if (rows.length === 0) return null
  const finish = sql`
    with ${tableOf('made', OUTPUT, rows)}
    update renditions set status = case when made.code is null then 'completed' else 'error' end,
      width = made.width, height = made.height, bytes = made.bytes, code = made.code, error = made.error
    from made, ${stillHeld(database, results)}
    where renditions.sha256 = made.sha256 and renditions.operation = made.operation
      and held.sha256 = made.sha256 and held.lease_token = made.token`
  return { compile: () => finish.compile(database.write) }
}

const OUTCOME = { sha256: 'text', token: 'text', width: 'integer', height: 'integer', thumbhash: 'text', code: 'text', error: 'text' }

function finishOriginals(database: Database, results: Finished[]) {
  const { write, now } = database
  const rows = results.map((result) => {
    const { sha256, token } = result
    const { width, height, thumbhash } = 'picture' in result ? result.picture : { width: null, height: null, thumbhash: null }
    const { code, error } = 'failure' in result ? result.failure : { code: null, error: null }
    return { sha256, token, width, height, thumbhash, code, error }
  })
  const isPending = sql`exists (select 1 from renditions where renditions.sha256 = originals.sha256 and renditions.status = 'pending')`
  const finish = sql`
    with ${tableOf('outcome', OUTCOME, rows)}
    update originals set finished_at = ${now}, lease_until = null, code = outcome.code, error = outcome.error,
      status = case when outcome.code is not null then 'failed' when ${isPending} then 'pending' else 'idle' end,
      width = coalesce(outcome.width, originals.width), height = coalesce(outcome.height, originals.height),
      thumbhash = coalesce(outcome.thumbhash, originals.thumbhash)
    from outcome, ${stillHeld(database, results)}
    where originals.sha256 = outcome.sha256 and held.sha256 = outcome.sha256 and held.lease_token = outcome.token`
  return { compile: () => finish.compile(write) }
}

/** One transaction for all outcomes; each gets the images it decided. A token that no longer holds the work decides nothing. */
export async function finishWork(database: Database, results: Finished[]): Promise<Image[][]> {
  const { write, transact, now } = database
  const hashes = results.map((result) => result.sha256)
  const tokens = [...new Set(results.map((result) => result.token))]
  const images = write
    .updateTable('images')
    .from(
      derivedStates(write)
        .where('images.sha256', 'in', hashes)
        // One that failed before, for a passing reason, is healed by a later upload of the same bytes.
        .where('images.status', 'in', ['pending', 'processing', 'error'])
        .where('originals.lease_token', 'in', tokens)
        .where('originals.lease_until', 'is', null)
        .as('state'),
    )
    .set(({ ref }) => ({
      status: ref('state.status'),
      code: ref('state.code'),
      finished_at: sql<number | null>`case when state.status in ('completed', 'error') then ${now} end`,
    }))
    .whereRef('images.id', '=', 'state.id')
    // What failed and waits to be tried again shows why it failed until there is a new outcome.
    .where(
      sql<boolean>`(images.status <> state.status and (images.status <> 'error' or state.status = 'completed') or images.code <> state.code)`,
    )
    .returning([
      ...IMAGE_COLUMNS,
      operationFor('image').as('image_operation'),
      operationFor('thumbnail').as('thumbnail_operation'),
      heldBy.as('lease_token'),
    ])
  const renditions = finishRenditions(database, results)
  const originals = finishOriginals(database, results)
  const rows = renditions
    ? (await transact([renditions, originals, images], DONE_AGAIN))[2]
    : (await transact([originals, images], DONE_AGAIN))[1]
  const changed = Map.groupBy(rows, (row) => `${row.sha256} ${row.lease_token}`)
  return Promise.all(
    results.map((result) =>
      Promise.all((changed.get(`${result.sha256} ${result.token}`) ?? []).map((row) => withOutcome(write, row, result))),
    ),
  )
}

/** Of several outcomes of one original, that of the last claim decides. */
const heldBy = sql<string | null>`(select originals.lease_token from originals where originals.sha256 = images.sha256)`

type Decided = ImageRow & Pick<OutcomeColumns, 'image_operation' | 'thumbnail_operation'>

/** Most often the result says it all; what an earlier one made, or a fault of one of several outputs, is read. */
async function withOutcome(db: Kysely<Schema>, row: Decided, result: Finished): Promise<Image> {
  if ('failure' in result) return toImage(row, null, result.failure)
  if (row.status !== 'completed' && row.status !== 'error') return toImage(row, null, null)
  const made = result.outputs.find(({ operation }) => operation === row.image_operation)
  if (row.status === 'error' || !made || 'failure' in made) {
    return toImageWithOutcome(await selectImages(db).where('images.id', '=', row.id).executeTakeFirstOrThrow())
  }
  const { width: original_width, height: original_height, thumbhash } = result.picture
  const { width, height, size: bytes } = made
  return toImage(row, outcomeOf({ ...row, width, height, bytes, original_width, original_height, thumbhash }), null)
}
