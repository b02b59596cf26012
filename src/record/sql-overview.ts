// The overview in SQL: each question along an index of its own, so that it does not matter how many images there are.
import { sql, type Kysely } from 'kysely'
import type { Database, Schema } from '../db/schema.ts'
import type { ErrorCode } from '../errors.ts'
import type { Image, Status } from '../image.ts'
import { countAll } from './count-all.ts'
import type { FinishedMinute, Overview } from './overview.ts'
import { selectImages, toImageWithOutcome } from './rows.ts'

const MINUTE_MS = 60_000

const failedBy = (db: Kysely<Schema>, code: ErrorCode) =>
  db.selectFrom('developments').where('developments.status', '=', 'error').where('developments.code', '=', code)

/** The images of the last developments that failed so. */
async function samplesOf(db: Kysely<Schema>, code: ErrorCode, limit: number): Promise<Image[]> {
  const last = await failedBy(db, code).select(['sha256', 'recipe']).orderBy('finished_at', 'desc').limit(limit).execute()
  const images: Image[] = []
  for (const { sha256, recipe } of last) {
    const rows = await selectImages(db)
      .where('images.sha256', '=', sha256)
      .where('images.recipe', '=', recipe)
      .where('images.status', '=', 'error')
      .limit(limit - images.length)
      .execute()
    images.push(...rows.map(toImageWithOutcome))
    if (images.length === limit) break
  }
  return images.sort((a, b) => (b.finishedAt ?? 0) - (a.finishedAt ?? 0))
}

export function createSqlOverview({ read, now, sizeBytes }: Database): Overview {
  return {
    counts: () => countAll(read),

    async waiting() {
      const rows = await read
        .selectFrom('images')
        .select(({ fn }) => ['status', fn.countAll<number>().as('images')])
        .select(sql<number>`${now} - min(uploaded_at)`.as('oldestMs'))
        .where('status', 'in', ['pending', 'processing'])
        .groupBy('status')
        .execute()
      const of = (status: Status) => rows.find((row) => row.status === status)
      const oldest = of('pending')?.oldestMs
      return {
        pending: Number(of('pending')?.images ?? 0),
        processing: Number(of('processing')?.images ?? 0),
        oldestPendingMs: oldest === undefined ? null : Math.max(0, Number(oldest)),
      }
    },

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
      return Promise.all(
        failures.map(async ({ code, images }) => {
          const { at } = await failedBy(read, code)
            .select(({ fn }) => fn.max('finished_at').as('at'))
            .executeTakeFirstOrThrow()
          return { code, images, lastAt: at ?? 0, samples: await samplesOf(read, code, samples) }
        }),
      )
    },

    async databaseBytes() {
      const { rows } = await sql<{ bytes: number }>`select ${sizeBytes} as bytes`.execute(read)
      return Number(rows[0]!.bytes)
    },
  }
}
