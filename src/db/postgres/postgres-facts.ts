// What a PostgreSQL tells of itself and of the pooler before it, through plain connections.
import pg from 'pg'

export interface PostgresFacts {
  /** Of its clock to ours, in milliseconds; and by how much that may be wrong. */
  clockOffsetMs: number
  clockErrorMs: number
  /** `none`: nothing seems to stand before it. */
  pooling: 'none' | 'session' | 'transaction' | 'statement'
  /** Most clients that it, or the pooler before it, takes. */
  mostClients: number
}

const TIMEOUT_MS = 5_000

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: TIMEOUT_MS, query_timeout: TIMEOUT_MS })
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Rejects when it can not be reached. */
export async function postgresFacts(url: string): Promise<PostgresFacts> {
  const clock = await connected(url, clockOf)
  const { pooling, mostClients } = (await askPooler(url)) ?? (await watchPooling(url))
  return { ...clock, pooling, mostClients }
}

async function clockOf(client: pg.Client) {
  const ask = async () => {
    const askedAt = Date.now()
    const { rows } = await client.query<{ now: string }>('select extract(epoch from clock_timestamp()) * 1000 as now')
    const answeredAt = Date.now()
    return { clockOffsetMs: Number(rows[0]!.now) - (askedAt + answeredAt) / 2, clockErrorMs: (answeredAt - askedAt) / 2 + 1 }
  }
  // The first may wait for the pooler to connect.
  await ask()
  return ask()
}

type Pooling = Pick<PostgresFacts, 'pooling' | 'mostClients'>

/** PgBouncer answers in a database of its own, whom its `stats_users` or `admin_users` name; null: it does not answer us, or is none. */
async function askPooler(url: string): Promise<Pooling | null> {
  const console = new URL(url)
  const database = console.pathname.slice(1)
  console.pathname = '/pgbouncer'
  try {
    return await connected(console.href, async (client) => {
      const config = (await client.query<{ key: string; value: string }>('show config')).rows
      const databases = (await client.query<{ name: string; pool_mode: string | null }>('show databases')).rows
      const setting = (key: string) => config.find((row) => row.key === key)?.value
      const mode = databases.find((row) => row.name === database)?.pool_mode ?? setting('pool_mode')
      return { pooling: mode as Pooling['pooling'], mostClients: Number(setting('max_client_conn')) }
    })
  } catch {
    return null
  }
}

/** Told from what it does: which of our connections meet the same process of PostgreSQL. */
async function watchPooling(url: string): Promise<Pooling> {
  return connected(url, (first) =>
    connected(url, async (second) => {
      const ask = async (client: pg.Client) =>
        (
          await client.query<{ pid: number; port: number | null; most: number }>(
            `select pg_backend_pid() as pid, inet_server_port() as port, current_setting('max_connections')::int as most`,
          )
        ).rows[0]!
      const mostClients = (await ask(first)).most
      try {
        await first.query('begin')
        await first.query('commit')
      } catch {
        return { pooling: 'statement', mostClients }
      }
      // One after the other, a pooler of transactions hands both to the same one sooner or later.
      const met = new Set<number>()
      for (let times = 0; times < 5; times++) {
        const [a, b] = [await ask(first), await ask(second)]
        if (a.pid === b.pid || (met.size > 0 && !met.has(a.pid))) return { pooling: 'transaction', mostClients }
        met.add(a.pid)
      }
      const { port } = await ask(first)
      const isDirect = port === null || port === Number(new URL(url).port || 5432)
      return { pooling: isDirect ? 'none' : 'session', mostClients }
    }),
  )
}
