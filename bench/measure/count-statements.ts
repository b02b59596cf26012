// Loaded into an embedded server before its own code, in each of its threads: counts the statements given to SQLite, into a file a thread.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { threadId } from 'node:worker_threads'

export interface StatementCounts {
  /** Insert, update or delete. */
  writes: number
  all: number
}

const WRITE_AFTER_MS = 50
const counts: StatementCounts = { writes: 0, all: 0 }
let writing: NodeJS.Timeout | undefined

function count(sql: string): void {
  counts.all++
  if (/^\s*(?:with\b.*\b)?(?:insert|update|delete)\b/is.test(sql)) counts.writes++
  writing ??= setTimeout(() => {
    writing = undefined
    writeFileSync(join(process.env.CALOTYPE_BENCH_COUNTS!, `${process.pid}-${threadId}.json`), JSON.stringify(counts))
  }, WRITE_AFTER_MS).unref()
}

/** Calls `before` first, in the place of a method. */
function precede<Methods extends object>(methods: Methods, name: keyof Methods, before: (self: Methods, first: unknown) => void): void {
  const method = methods[name] as (...values: unknown[]) => unknown
  Object.defineProperty(methods, name, {
    value(this: Methods, ...values: unknown[]) {
      before(this, values[0])
      return method.apply(this, values)
    },
  })
}

precede(DatabaseSync.prototype, 'exec', (_database, sql) => count(String(sql)))
for (const name of ['all', 'get', 'run', 'iterate'] as const) precede(StatementSync.prototype, name, ({ sourceSQL }) => count(sourceSQL))
