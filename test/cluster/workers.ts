// What rows and workers say of the work: who holds what, and what became of it.
import { query } from './ledger.ts'

export interface DevelopmentState extends Record<string, unknown> {
  sha256: string
  status: 'pending' | 'processing' | 'completed' | 'error'
  lease_token: string | null
}

/** Every development, all of it but how long its lease lasts. */
export const developments = (databaseUrl: string) =>
  query<DevelopmentState>(
    databaseUrl,
    'select sha256, status, lease_token, attempts, finished_at, width, height, image_size, code from developments order by sha256',
  )

/** What is in hand under a token. */
export const heldBy = async (databaseUrl: string, token: string) =>
  (await developments(databaseUrl)).filter(({ status, lease_token }) => status === 'processing' && lease_token === token)

/** The token that holds the most, if any does. */
export function holder(rows: DevelopmentState[]): string | undefined {
  const held = rows.filter(({ status }) => status === 'processing')
  const groups = [...Map.groupBy(held, ({ lease_token }) => lease_token!)]
  return groups.sort((a, b) => b[1].length - a[1].length)[0]?.[0]
}

export interface WorkerStats {
  children: { busy: boolean; developed: number }[]
}

/** As a worker tells it beside its health. */
export const statsOf = async (worker: { url: string | null }) => (await (await fetch(`${worker.url}/stats`)).json()) as WorkerStats

export const developedBy = async (worker: { url: string | null }) =>
  (await statsOf(worker)).children.reduce((sum, { developed }) => sum + developed, 0)
