// Opens a database, which brings it up to date: `node open-latest.ts sqlite PATH` or `postgres URL`. Meant to be killed meanwhile.
import { openPostgres } from '../../src/db/postgres/open-postgres.ts'
import { openSqlite } from '../../src/db/sqlite/open-sqlite.ts'
import { createLog } from '../../src/log.ts'

const [kind, at = ''] = process.argv.slice(2)
const { database } = await (kind === 'sqlite' ? openSqlite(at) : openPostgres({ url: at, maxConnections: 1, log: createLog('error') }))
await database.close()
