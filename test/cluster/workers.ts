// What rows and workers say of the work: who holds what, and what became of it.
import { query } from './ledger.ts'

export interface WorkState extends Record<string, unknown> {
  sha256: string
  /** `idle`: done. */
  status: 'pending' | 'processing' | 'idle' | 'failed'
  /** Who claimed it last. */
  worker: string | null
}

/** The work on every original and what was made of it: all of the rows but how long a lease lasts. */
export const works = (databaseUrl: string) =>
  query<WorkState>(
    databaseUrl,
    `select sha256, status, worker, lease_token, attempts, finished_at, width, height, thumbhash, code,
       (select string_agg(concat_ws(' ', operation, status, width, height, bytes, code), ', ' order by operation)
        from renditions where renditions.sha256 = originals.sha256) as outputs
     from originals order by sha256`,
  )

/** What a worker has in hand. */
export const heldBy = async (databaseUrl: string, worker: string) => inHand(await works(databaseUrl)).filter((row) => row.worker === worker)

const inHand = (rows: WorkState[]) => rows.filter(({ status }) => status === 'processing')

/** The worker that holds the most, as it calls itself, if any does. */
export function holder(rows: WorkState[]): string | undefined {
  const groups = [...Map.groupBy(inHand(rows), ({ worker }) => worker!)]
  return groups.sort((a, b) => b[1].length - a[1].length)[0]?.[0]
}

export interface WorkerStats {
  children: { busy: boolean; developed: number }[]
}

/** As a worker tells it beside its health. */
export const statsOf = async (worker: { url: string | null }) => (await (await fetch(`${worker.url}/stats`)).json()) as WorkerStats

export const developedBy = async (worker: { url: string | null }) =>
  (await statsOf(worker)).children.reduce((sum, { developed }) => sum + developed, 0)
