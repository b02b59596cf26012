// The overview in SQL: each question along an index of its own, so that it does not matter how many images there are.
import { sql, type Kysely } from 'kysely'
import type { Database, Schema } from '../../db/schema.ts'
import type { ErrorCode } from '../../error-codes.ts'
import type { Image } from '../../image.ts'
import { countAll } from './read-counts.ts'
import type { FailureGroup, FinishedMinute, Overview } from './overview.ts'
import { selectImages, toImageWithOutcome } from '../images/image-rows.ts'

const MINUTE_MS = 60_000

/** The images that failed so last, newest first. */
async function lastFailed(db: Kysely<Schema>, code: ErrorCode, limit: number): Promise<Image[]> {
  const rows = await selectImages(db)
    .where('images.code', '=', code)
    .orderBy('images.finished_at', 'desc')
    .orderBy('images.id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toImageWithOutcome)
}

export function createSqlOverview({ read, now, sizeBytes }: Database): Overview {
  return {
    counts: () => countAll(read),

    async minutes(count) {
      const { rows: clock } = await sql<{ now: number }>`select ${now} as now`.execute(read)
      const last = Math.floor(Number(clock[0]!.now) / MINUTE_MS)
      const first = last - count + 1
      const minute = sql<number>`finished_at / ${sql.lit(MINUTE_MS)}`
      const rows = await read
        .selectFrom('images')
        .select(({ fn }) => [minute.as('minute'), 'status', fn.countAll<number>().as('images')])
        .where('finished_at', '>=', first * MINUTE_MS)
        .groupBy([minute, 'status'])
        .execute()
      const minutes = Array.from({ length: count }, (_, at): FinishedMinute => {
        return { at: (first + at) * MINUTE_MS, completed: 0, failed: 0 }
      })
      for (const { minute, status, images } of rows) {
        const found = minutes[Number(minute) - first]
        if (found && status === 'completed') found.completed += Number(images)
        if (found && status === 'error') found.failed += Number(images)
      }
      return minutes
    },

    async failures(samples) {
      const { failures } = await countAll(read)
      const groups = await Promise.all(
        failures.map(async ({ code, images }): Promise<FailureGroup[]> => {
          const found = await lastFailed(read, code, samples)
          const [last] = found
          // The last of them may have gone since they were counted.
          return last ? [{ code, images, lastAt: last.finishedAt!, samples: found }] : []
        }),
      )
      return groups.flat()
    },

    async databaseBytes() {
      const { rows } = await sql<{ bytes: number }>`select ${sizeBytes} as bytes`.execute(read)
      return Number(rows[0]!.bytes)
    },
  }
}
