// The thread that owns one SQLite connection: statements block, and a commit waits for the disk, but never the server's own loop.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { faultOf, type SqliteFault } from './sqlite-faults.ts'

export interface Statement {
  sql: string
  parameters: readonly unknown[]
}

/** Statements to run one after the other; more than one are one transaction. */
export interface Request {
  id: number
  statements: Statement[]
  /** The transaction need not survive the end of the machine. */
  mayBeLost: boolean
}

export interface Result {
  rows: unknown[]
  changes: number
}

export type Outcome = { id: number } & ({ results: Result[] } | { error: { message: string; code: SqliteFault | undefined } })

// Bulk statements differ by their number of rows, so the texts are many, and a prepared one takes about 60 bytes for each character
// of its text: 200 of up to 600 rows took 97 MB. Those used last are kept, up to so many characters; the largest never are.
const MAX_PREPARED_CHARACTERS = 200_000
const MAX_KEPT_CHARACTERS = 20_000

const { path, readOnly } = workerData as { path: string; readOnly: boolean }
const port = parentPort!

function open(): DatabaseSync {
  const connection = new DatabaseSync(path, { readOnly, timeout: 10_000 })
  try {
    if (!readOnly) connection.exec('pragma journal_mode = wal; pragma synchronous = full')
    connection.exec('pragma foreign_keys = on; pragma temp_store = memory; pragma cache_size = -16000')
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

let opened: DatabaseSync | null = null
/** At the first request: who sends it is told why the file can't be used. */
const database = () => (opened ??= open())

type Prepared = { statement: StatementSync; returnsRows: boolean }

/** From the one used longest ago. */
const prepared = new Map<string, Prepared>()
let preparedCharacters = 0

function prepare(sql: string): Prepared {
  const known = prepared.get(sql)
  if (known) {
    prepared.delete(sql)
    prepared.set(sql, known)
    return known
  }
  const statement = database().prepare(sql)
  const fresh = { statement, returnsRows: statement.columns().length > 0 }
  if (sql.length > MAX_KEPT_CHARACTERS) return fresh
  prepared.set(sql, fresh)
  preparedCharacters += sql.length
  for (const [oldest] of prepared) {
    if (preparedCharacters <= MAX_PREPARED_CHARACTERS) break
    prepared.delete(oldest)
    preparedCharacters -= oldest.length
  }
  return fresh
}

function execute({ sql, parameters }: Statement): Result {
  // SQLite has done it by itself, as on a full disk: the error that led to it is the one to be told.
  if (sql === 'rollback' && !database().isTransaction) return { rows: [], changes: 0 }
  const { statement, returnsRows } = prepare(sql)
  const values = parameters as SQLInputValue[]
  if (returnsRows) return { rows: statement.all(...values), changes: 0 }
  return { rows: [], changes: Number(statement.run(...values).changes) }
}

function transact(statements: Statement[], mayBeLost: boolean): Result[] {
  const connection = database()
  // The log is synced by the next transaction that is to be durable, and this one with it (https://sqlite.org/pragma.html#pragma_synchronous).
  if (mayBeLost) connection.exec('pragma synchronous = normal')
  connection.exec('begin immediate')
  try {
    const results = statements.map(execute)
    connection.exec('commit')
    return results
  } catch (error) {
    // A full disk has SQLite roll back by itself.
    if (connection.isTransaction) connection.exec('rollback')
    throw error
  } finally {
    if (mayBeLost) connection.exec('pragma synchronous = full')
  }
}

function answer({ id, statements, mayBeLost }: Request): Outcome {
  try {
    return { id, results: statements.length === 1 ? statements.map(execute) : transact(statements, mayBeLost) }
  } catch (error) {
    const { message, errcode } = error as Error & { errcode?: number }
    return { id, error: { message, code: faultOf(errcode) } }
  }
}

port.on('message', (request: Request | 'close') => {
  if (request !== 'close') return port.postMessage(answer(request))
  opened?.close()
  port.close()
})
