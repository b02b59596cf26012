// The audit log, for administrators: by pages, and as one CSV.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { AuditLog, AuditQuery } from '../../../accounts/audit/audit-log.ts'
import { auditEntry, auditExportQuery, auditQuery, type ApiAuditEntry } from '../../../api/audit.ts'
import { EXAMPLE_IDS } from '../../../api/common.ts'
import { actorOf } from '../../access/principal.ts'
import { file, page } from '../../answers.ts'
import { addEndpoint } from '../../endpoint.ts'
import { toApiAuditEntry } from '../../wire/accounts.ts'
import { csvLine } from '../../wire/csv.ts'
import { defined, linkNext } from '../../wire/lists.ts'

const EXPORT_PAGE = 500
const COLUMNS = ['at', 'user', 'user_id', 'via', 'credential', 'action', 'target_kind', 'target_id', 'address', 'detail']

export async function auditRoutes(fastify: FastifyInstance, { audit }: { audit: AuditLog }): Promise<void> {
  const admin = { access: 'admin', tag: 'Administration', noStore: true } as const

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/audit',
    summary: 'Search the audit log',
    query: auditQuery,
    examples: {
      actor: EXAMPLE_IDS.user,
      action: 'key',
      q: 'scanner',
      from: '2026-11-01T00:00:00Z',
      to: '2026-12-01T00:00:00Z',
      limit: 100,
    },
    answers: { 200: page('A page, newest first', auditEntry) },
    async handler({ query, url }, reply) {
      const { items, next } = await audit.list(defined(query))
      linkNext(reply, url, next)
      return items.map(toApiAuditEntry)
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/audit.csv',
    summary: 'Export the audit log',
    description: "Cells that a spreadsheet would run have a ' before them. That it was exported stands in the log.",
    query: auditExportQuery,
    examples: { action: 'login', from: '2026-11-01T00:00:00Z' },
    answers: { 200: file('One line for each entry', 'text/csv') },
    async handler(request, reply) {
      await audit.record({ actor: actorOf(request), action: 'audit.exported' })
      return reply
        .type('text/csv; charset=utf-8')
        .header('content-disposition', 'attachment; filename="audit.csv"')
        .send(Readable.from(wholeLog(audit, defined(request.query))))
    },
  })
}

async function* wholeLog(audit: AuditLog, filter: Omit<AuditQuery, 'limit'>): AsyncGenerator<string> {
  yield csvLine(COLUMNS)
  let cursor: string | null = null
  do {
    const page = await audit.list({ ...filter, limit: EXPORT_PAGE, ...(cursor !== null && { cursor }) })
    yield page.items.map((entry) => csvLine(toCells(toApiAuditEntry(entry)))).join('')
    cursor = page.next
  } while (cursor !== null)
}

const toCells = ({ at, user, via, credential, action, target, address, detail }: ApiAuditEntry): string[] => [
  at,
  user?.email ?? '',
  user?.id ?? '',
  via,
  credential ?? '',
  action,
  target?.kind ?? '',
  target?.id ?? '',
  address ?? '',
  JSON.stringify(detail),
]
