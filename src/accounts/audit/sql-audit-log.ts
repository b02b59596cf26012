// The audit log in SQL, the same queries for both databases.
import { z } from 'zod'
import { newId } from '../../new-id.ts'
import type { AuditLogTable } from '../../db/tables/account-tables.ts'
import { compared, decodeCursor, toPage } from '../../db/keyset.ts'
import type { Database } from '../../db/schema.ts'
import type { Actor, AuditEntry, AuditLog } from './audit-log.ts'
import { contains, startsWith } from '../text-search.ts'

export function createSqlAuditLog({ write, read, now }: Database): AuditLog {
  return {
    async record({ actor, action, target, detail = {} }) {
      await write
        .insertInto('audit_log')
        .values(({ selectFrom }) => ({
          id: newId(),
          at: now,
          user_id: actor.userId,
          email: actor.userId === null ? null : selectFrom('users').select('email').where('id', '=', actor.userId),
          via: actor.via,
          credential_id: actor.credentialId,
          action,
          target_kind: target?.kind ?? null,
          target_id: target?.id ?? null,
          address: actor.address,
          // PostgreSQL keeps no NUL in a text; JSON has it escaped.
          detail: JSON.stringify(detail),
        }))
        .execute()
    },

    async list({ limit, cursor, actor, action, q, from, to }) {
      let query = read
        .selectFrom('audit_log')
        .selectAll()
        .orderBy('at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit + 1)
      if (cursor !== undefined) query = query.where(compared(['at', 'id'], '<', decodeCursor(cursor, 'number,string')))
      if (actor) query = query.where((eb) => eb.or([contains(eb.ref('email'), actor), eb('user_id', '=', actor.replaceAll('\0', ''))]))
      if (action) {
        const whole = action.replaceAll('\0', '')
        query = query.where((eb) => eb.or([eb('action', '=', whole), startsWith(eb.ref('action'), `${whole}.`)]))
      }
      if (q) {
        const columns = ['address', 'target_kind', 'target_id', 'action', 'email', 'detail'] as const
        query = query.where((eb) => eb.or(columns.map((column) => contains(eb.ref(column), q))))
      }
      if (from !== undefined) query = query.where('at', '>=', from)
      if (to !== undefined) query = query.where('at', '<', to)
      return toPage(await query.execute(), limit, (row) => [row.at, row.id], toEntry)
    },
  }
}

const detailOf = z.record(z.string(), z.unknown())

const toEntry = (row: AuditLogTable): AuditEntry => ({
  id: row.id,
  at: row.at,
  userId: row.user_id,
  email: row.email,
  via: row.via as Actor['via'],
  credentialId: row.credential_id,
  action: row.action,
  target: row.target_kind === null || row.target_id === null ? null : { kind: row.target_kind, id: row.target_id },
  address: row.address,
  detail: detailOf.parse(JSON.parse(row.detail)),
})
