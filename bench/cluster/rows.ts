// How the benches of the cluster see its rows: past the pooler, by a session whose own statements are not logged.
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'

// Each look costs the database a count.
const LOOK_MS = 100

export interface Rows {
  /** Statements that are not logged. */
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>
  /** Waits until so many images are completed in all. Rejects once one has failed, or after `timeoutMs`. */
  completed(images: number, timeoutMs: number): Promise<void>
  close(): Promise<void>
}

/** The newest rows of a cluster; `url` is its `directDatabaseUrl`. */
export async function openRows(url: string): Promise<Rows> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query("set log_statement = 'none'")
  const query = async <Row extends object>(text: string, values?: unknown[]) => (await client.query(text, values)).rows as Row[]
  return {
    query,
    async completed(images, timeoutMs) {
      for (const end = Date.now() + timeoutMs; Date.now() < end; await wait(LOOK_MS)) {
        const counts = await query<{ status: string; images: string }>('select status, count(*) as images from images group by status')
        const count = (status: string) => Number(counts.find((row) => row.status === status)?.images ?? 0)
        if (count('error') > 0) throw new Error(`${count('error')} images could not be developed.`)
        if (count('completed') >= images) return
      }
      throw new Error(`${images} images were not completed within ${timeoutMs / 1000} s.`)
    },
    close: () => client.end(),
  }
}
