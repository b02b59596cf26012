// Guesses at passwords in SQL: counted by all servers together, each before it is looked at.
import { sql, type Kysely } from 'kysely'
import type { Database, Schema } from '../../db/schema.ts'
import type { AttemptLimit, AttemptRefusal, AttemptRetention, AttemptSubject, AttemptStore } from './attempt-store.ts'

/** More than any limit lets anybody make in its window. */
const MAX_COUNTED = 500

/** Milliseconds until the limit lets another guess through, of the ages of those made, the newest first. */
function waitMsOf({ windowMs, free, delayMs }: AttemptLimit, all: number[]): number {
  const ages = all.filter((age) => age < windowMs)
  const [newest, oldestThatCounts] = [ages[0], ages[free - 1]]
  if (newest === undefined || oldestThatCounts === undefined) return 0
  return delayMs ? delayMs(ages.length - free + 1) - newest : windowMs - oldestThatCounts
}

/** In one order for all, so that two guesses never wait for each other. */
const subjectsOf = (limits: AttemptLimit[]) => [...new Set(limits.map(({ subject }) => toText(subject)))].sort()

const toText = ({ kind, id }: AttemptSubject) => `${kind}:${id}`

export function sqlAttempts({ write, read, now, isRemote }: Database): AttemptStore {
  /** Of the limit that lets another guess through last; null where all let it through now. One query. */
  async function refusalBy(db: Kysely<Schema>, limits: AttemptLimit[]): Promise<AttemptRefusal | null> {
    const subjects = subjectsOf(limits)
    const rows = await db
      .selectFrom('login_attempts')
      .select(['subject', sql<number>`${now} - at`.as('age_ms')])
      .where('subject', 'in', subjects)
      .where('at', '>', sql<number>`${now} - ${Math.max(...limits.map(({ windowMs }) => windowMs))}`)
      .orderBy('at', 'desc')
      .limit(MAX_COUNTED * subjects.length)
      .execute()
    const ages = Map.groupBy(rows, ({ subject }) => subject)
    let longest: AttemptRefusal | null = null
    for (const limit of limits) {
      const own = ages.get(toText(limit.subject)) ?? []
      const waitMs = waitMsOf(
        limit,
        own.map(({ age_ms }) => age_ms),
      )
      const retryAfterSeconds = Math.ceil(waitMs / 1000)
      if (waitMs > 0 && retryAfterSeconds > (longest?.retryAfterSeconds ?? 0)) longest = { limit, retryAfterSeconds }
    }
    return longest
  }

  /** Until the end of the transaction nobody else counts them. A database with one writer needs no lock. */
  async function lock(trx: Kysely<Schema>, subjects: string[]): Promise<void> {
    if (!isRemote) return
    for (const subject of subjects) await sql`select pg_advisory_xact_lock(hashtextextended(${subject}, 0))`.execute(trx)
  }

  return {
    refusalOf: (limits) => refusalBy(read, limits),

    async countAttempt(id, limits) {
      const subjects = subjectsOf(limits)
      return write.transaction().execute(async (trx) => {
        await lock(trx, subjects)
        const late = await refusalBy(trx, limits)
        if (late) return late
        await trx
          .insertInto('login_attempts')
          .values(subjects.map((subject) => ({ attempt_id: id, subject, at: now })))
          .execute()
        return null
      })
    },

    async forgive(attemptId, subject, alsoIn) {
      const subjects = [subject, ...alsoIn].map(toText)
      await write
        .deleteFrom('login_attempts')
        .where((eb) =>
          eb.or([
            eb('attempt_id', '=', attemptId),
            eb.and([
              eb('subject', 'in', subjects),
              eb(
                'attempt_id',
                'in',
                eb.selectFrom('login_attempts as own').select('own.attempt_id').where('own.subject', '=', toText(subject)),
              ),
            ]),
          ]),
        )
        .execute()
    },

    async forgetAttempts(subject) {
      await write
        .deleteFrom('login_attempts')
        .where('attempt_id', 'in', (eb) =>
          eb.selectFrom('login_attempts as own').select('own.attempt_id').where('own.subject', '=', toText(subject)),
        )
        .execute()
    },
  }
}

/** Removes guesses of each kind that are older than it is counted for. */
export async function sweepAttempts({ write, now }: Database, retentions: readonly AttemptRetention[]): Promise<void> {
  for (const { kind, windowMs } of retentions)
    await write
      .deleteFrom('login_attempts')
      .where('subject', '>', toText({ kind, id: '' }))
      // The character after the colon: all that begin with the kind, by the index.
      .where('subject', '<', `${kind};`)
      .where('at', '<=', sql<number>`${now} - ${windowMs}`)
      .execute()
}
