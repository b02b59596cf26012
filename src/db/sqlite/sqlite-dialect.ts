// Kysely on node:sqlite: each connection lives in a thread of its own.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import {
  CompiledQuery,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
} from 'kysely'
import type { OnRoundTrip } from '../schema.ts'
import type { Outcome, Request, Result } from './sqlite-thread.ts'

/** What a connection has to do: messages on their way to it and back, and users that wait for it. */
export interface Load {
  inFlight: number
  waiting: number
}

export const emptyLoad = (): Load => ({ inFlight: 0, waiting: 0 })

interface Options {
  readOnly: boolean
  load: Load
  onRoundTrip: OnRoundTrip | undefined
}

/** A connection in a thread; statements are answered in the order they were sent. */
export class SqliteConnection implements DatabaseConnection {
  readonly #thread: Worker
  readonly #waiting = new Map<number, { resolve: (results: Result[]) => void; reject: (error: Error) => void }>()
  #lastId = 0
  #ended: Error | null = null
  readonly #load: Load
  readonly #onRoundTrip: OnRoundTrip | undefined

  constructor(path: string, { readOnly, load, onRoundTrip }: Options) {
    this.#load = load
    this.#onRoundTrip = onRoundTrip
    this.#thread = new Worker(new URL('./sqlite-thread.ts', import.meta.url), { workerData: { path, readOnly } })
    this.#thread.on('message', (outcome: Outcome) => {
      const waiter = this.#waiting.get(outcome.id)
      // Under `node --watch` threads also tell what they have loaded.
      if (!waiter) return
      this.#waiting.delete(outcome.id)
      if ('results' in outcome) return waiter.resolve(outcome.results)
      const { message, code } = outcome.error
      const error = Object.assign(new Error(message), { code, path })
      // It was the disk, in another thread: the stack of this one says nothing.
      if (code !== undefined) delete error.stack
      waiter.reject(error)
    })
    this.#thread.on('error', (error) => this.#end(error as Error))
    this.#thread.on('exit', () => this.#end(new Error('the database is closed')))
  }

  #end(error: Error) {
    this.#ended ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }

  /** One message there and one back, however many statements; several are one transaction. */
  async run(queries: readonly CompiledQuery[], mayBeLost = false): Promise<Result[]> {
    if (this.#ended) throw this.#ended
    const id = ++this.#lastId
    const statements = queries.map(({ sql, parameters }) => ({ sql, parameters }))
    const answer = new Promise<Result[]>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#thread.postMessage({ id, statements, mayBeLost } satisfies Request)
    })
    return this.#measured(statements.length, answer)
  }

  async #measured(statements: number, answer: Promise<Result[]>): Promise<Result[]> {
    const startedAt = performance.now()
    let failed = true
    this.#load.inFlight++
    try {
      const results = await answer
      failed = false
      return results
    } finally {
      this.#load.inFlight--
      this.#onRoundTrip?.({ statements, ms: performance.now() - startedAt, failed })
    }
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const [result] = await this.run([query])
    return { rows: result!.rows as Row[], numAffectedRows: BigInt(result!.changes) }
  }

  // eslint-disable-next-line require-yield -- lists are read by keyset pages instead, which PostgreSQL behind a pooler takes too
  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('read by pages instead of streaming')
  }

  async close() {
    if (this.#ended) return
    const exited = once(this.#thread, 'exit')
    this.#thread.postMessage('close')
    await exited
  }
}

class SqliteDriver implements Driver {
  readonly #path: string
  readonly #options: Options
  readonly #exclusive: boolean
  #connection!: SqliteConnection
  #lastHolder: Promise<void> = Promise.resolve()
  #release: () => void = () => {}

  constructor(path: string, options: Options) {
    this.#path = path
    this.#options = options
    this.#exclusive = !options.readOnly
  }

  /** Kysely calls it at the first use, and `destroy` only after that: a thread started earlier might never end. */
  async init() {
    this.#connection = new SqliteConnection(this.#path, this.#options)
  }

  async acquireConnection() {
    if (!this.#exclusive) return this.#connection
    const before = this.#lastHolder
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#lastHolder = promise
    this.#options.load.waiting++
    await before
    this.#options.load.waiting--
    this.#release = resolve
    return this.#connection
  }

  async releaseConnection() {
    if (this.#exclusive) this.#release()
  }

  async beginTransaction() {
    // Immediate: a reader that turned writer half-way would have to be tried again. One that only reads sees one moment.
    await this.#connection.executeQuery(CompiledQuery.raw(this.#exclusive ? 'begin immediate' : 'begin'))
  }

  async commitTransaction() {
    await this.#connection.executeQuery(CompiledQuery.raw('commit'))
  }

  async rollbackTransaction() {
    await this.#connection.executeQuery(CompiledQuery.raw('rollback'))
  }

  destroy() {
    return this.#connection.close()
  }
}

/** Kysely would run migrations outside of any transaction; SQLite undoes changes of tables as well (https://sqlite.org/lang_transaction.html). */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/** A writing connection hands itself to one user at a time; a reading one is shared, so a transaction on it is for who is alone. */
export function sqliteDialect(path: string, options: Options): Dialect {
  return {
    createDriver: () => new SqliteDriver(path, options),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new TransactionalSqliteAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
  }
}
