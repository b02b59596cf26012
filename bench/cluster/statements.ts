// Reads the log of PostgreSQL in which every statement stands: what the cluster asked of its database, and when.

/** A line of the log begins like this, by `LOG_LINE_PREFIX`. */
export const LOG_LINE_PREFIX = '%n [%p] '
const LINE = /^(\d+\.\d+) \[(\d+)\] (\w+): {2}(.*)$/

export interface Statement {
  /** Milliseconds since 1970 at which PostgreSQL began it; it came over the network right before. */
  at: number
  /** The server connection, lent for a transaction at a time. */
  connection: number
  text: string
  /** The values of its parameters, as the log writes them. */
  parameters: string
}

/** Every statement of a log written with `log_statement = all`, in order: each is one round trip of a client. */
export function readStatements(log: string): Statement[] {
  const statements: Statement[] = []
  let entry: { at: number; connection: number; severity: string; message: string } | null = null
  const last = new Map<number, Statement>()

  function take() {
    if (entry === null) return
    const { at, connection, severity, message } = entry
    const text = /^(?:statement|execute [^:]*): (.*)$/s.exec(message)?.[1]
    if (severity === 'LOG' && text !== undefined) {
      const statement = { at, connection, text: text.trim(), parameters: '' }
      statements.push(statement)
      last.set(connection, statement)
    } else if (severity === 'DETAIL') {
      const parameters = /^parameters: (.*)$/is.exec(message)?.[1]
      const statement = last.get(connection)
      if (parameters !== undefined && statement) statement.parameters = parameters
    }
    entry = null
  }

  for (const line of log.split('\n')) {
    const [, seconds, connection, severity = '', message = ''] = LINE.exec(line) ?? []
    if (seconds !== undefined) {
      take()
      entry = { at: Number(seconds) * 1000, connection: Number(connection), severity, message }
    } else if (entry !== null && line.startsWith('\t')) entry.message += `\n${line.slice(1)}`
  }
  take()
  return statements
}

// By their beginnings, as `record/` writes them.
const KINDS = {
  insertImages: /^insert into "images"/i,
  insertOthers: /^insert into/i,
  claims: /^update "originals" set "status" = \$1, "lease_token" = \$2, "lease_until" = .* "attempts"/is,
  results: /^update originals set finished_at = /i,
  imagesUpdates: /^update "images"/i,
  renewals: /^update "originals" set "lease_until"/i,
  otherWrites: /^(?:update|delete)/i,
  transactionEnds: /^(?:begin|start transaction|commit|rollback)/i,
  reads: /^(?:select|with)/i,
} as const
export type Kind = keyof typeof KINDS | 'others'

/** How many of each kind; one that several describe is of the first. */
export function countKinds(statements: Statement[]): Record<Kind, number> {
  const counts = Object.fromEntries([...Object.keys(KINDS), 'others'].map((kind) => [kind, 0])) as Record<Kind, number>
  for (const statement of statements) counts[kindOf(statement)]++
  return counts
}

function kindOf({ text }: Statement): Kind {
  const kinds = Object.entries(KINDS) as [keyof typeof KINDS, RegExp][]
  return kinds.find(([, pattern]) => pattern.test(text))?.[0] ?? 'others'
}

export const isWrite = (statement: Statement) => !['transactionEnds', 'reads', 'others'].includes(kindOf(statement))

const TOKEN = /'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'/

/** Who claimed under which token: a worker calls itself by its host and process. */
function workersByToken(statements: Statement[]): Map<string, string> {
  const claims = statements.filter((statement) => kindOf(statement) === 'claims')
  return new Map(
    claims.map(({ parameters }) => {
      const values = [...parameters.matchAll(/'([^']*)'/g)].map(([, value]) => value!)
      const worker = values.find((value) => /-\d+$/.test(value) && !TOKEN.test(`'${value}'`))
      return [TOKEN.exec(parameters)?.[1] ?? '', worker ?? '']
    }),
  )
}

/** The outcomes that workers recorded: of which images, by whom, and when they were committed. */
export function resultCommits(statements: Statement[]): { worker: string; at: number; committedAt: number; hashes: string[] }[] {
  const workers = workersByToken(statements)
  return statements.flatMap((statement, index) => {
    if (kindOf(statement) !== 'results') return []
    const { at, connection, parameters } = statement
    const commit = statements.slice(index).find((later) => later.connection === connection && /^commit/i.test(later.text))
    const worker = workers.get(TOKEN.exec(parameters)?.[1] ?? '') ?? ''
    const hashes = [...new Set(parameters.match(/\b[0-9a-f]{64}\b/g))]
    return [{ worker, at, committedAt: commit?.at ?? Infinity, hashes }]
  })
}
