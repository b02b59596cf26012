// The audit log, for administrators: by pages, and as one CSV.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { AuditLog, AuditQuery } from '../../../accounts/audit/audit-log.ts'
import type { ApiAuditEntry } from '../../../api.ts'
import { pageQuery, time, toApiAuditEntry } from '../../wire/accounts.ts'
import { csvLine } from '../../wire/csv.ts'
import { defined } from '../../wire/image-filter.ts'
import { linkNext } from '../../wire/keyset.ts'
import { actorOf } from '../../access/principal.ts'

const filter = {
  actor: z.string().max(254).optional(),
  action: z.string().max(100).optional(),
  q: pageQuery.q,
  from: time.optional(),
  to: time.optional(),
}
const auditQuery = z.object({ ...pageQuery, ...filter })
const exportQuery = z.object(filter)

const EXPORT_PAGE = 500
const COLUMNS = ['at', 'user', 'user_id', 'via', 'credential', 'action', 'target_kind', 'target_id', 'address', 'detail']

/** Adds `GET /api/admin/audit` and `GET /api/admin/audit.csv`. */
export async function auditRoutes(fastify: FastifyInstance, { audit }: { audit: AuditLog }): Promise<void> {
  fastify.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))
  const typed = fastify.withTypeProvider<ZodTypeProvider>()
  const config = { access: 'admin' } as const

  typed.get('/api/admin/audit', { config, schema: { querystring: auditQuery } }, async ({ query, url }, reply) => {
    const { items, next } = await audit.list(defined(query))
    return linkNext(reply, url, next).send(items.map(toApiAuditEntry) satisfies ApiAuditEntry[])
  })

  typed.get('/api/admin/audit.csv', { config, schema: { querystring: exportQuery } }, async (request, reply) => {
    await audit.record({ actor: actorOf(request), action: 'audit.exported' })
    return reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', 'attachment; filename="audit.csv"')
      .send(Readable.from(wholeLog(audit, defined(request.query))))
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
