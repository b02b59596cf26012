// The API description of accounts, keys, the audit log, and of the server itself.
import { z } from 'zod'
import * as account from './account-schemas.ts'
import type { Answer, Operations } from './operation.ts'
import * as sample from './samples.ts'

const page = (description: string, schema: z.ZodType, example: unknown): Answer => ({
  description,
  schema: z.array(schema),
  example: [example],
  headers: { Link: 'rel="next": the next page; absent on the last' },
})
const users = page('A page of users', account.user, sample.user)
const keys = page('A page of keys', account.key, sample.key)
const PASSWORD = 'correct horse battery'
const json = ['not_json', 'file_too_large'] as const
const status = (name: string): Answer => ({
  description: 'It is',
  schema: z.strictObject({ status: z.literal(name) }),
  example: { status: name },
})

export const accountOperations: Operations = {
  'POST /api/auth/login': {
    tag: 'Accounts',
    summary: 'Sign in',
    description:
      'Sets the cookie of the session, and one by which this browser is known: wrong guesses made elsewhere don’t keep it out. Only for pages of this server, and programs that send no Origin.',
    body: { example: { email: sample.user.email, password: PASSWORD } },
    answers: {
      200: {
        description: 'Who is signed in',
        schema: account.me,
        example: sample.me,
        headers: { 'Set-Cookie': 'The session, and the known device' },
      },
    },
    errors: [...json, 'wrong_password', 'too_many_attempts', 'overloaded', 'forbidden'],
  },
  'POST /api/auth/setup': {
    tag: 'Accounts',
    summary: 'Make the first administrator, by the link of the log',
    body: { example: { token: 'c2V0LXVwIGxpbms', email: 'root@example.org', password: PASSWORD, name: 'Root' } },
    answers: {
      201: {
        description: 'Who is signed in',
        schema: account.me,
        example: { ...sample.me, user: { ...sample.user, role: 'admin' }, scopes: ['upload', 'read', 'delete', 'admin'] },
        headers: { 'Set-Cookie': 'The session, and the known device' },
      },
    },
    errors: [...json, 'setup_link_invalid', 'email_taken', 'overloaded', 'forbidden'],
  },
  'POST /api/auth/logout': { tag: 'Accounts', summary: 'Sign out', answers: { 204: { description: 'Nobody is signed in' } } },
  'GET /api/auth/me': {
    tag: 'Accounts',
    summary: 'Who asks, and what they may do',
    answers: { 200: { description: 'Also for who has not signed in', schema: account.me, example: sample.me } },
  },
  'POST /api/auth/password': {
    tag: 'Accounts',
    summary: 'Change one’s own password',
    description: 'Every other session ends, and every browser that was known but this one. API keys go on working unless `revoke_keys`.',
    body: { example: { current: PASSWORD, password: 'another long one', revoke_keys: true } },
    answers: {
      200: { description: 'It is changed', schema: account.passwordChanged, example: { active_keys: 0, revoked_keys: 2 } },
    },
    errors: [...json, 'wrong_password', 'too_many_attempts', 'overloaded'],
  },
  'GET /api/auth/sessions': {
    tag: 'Accounts',
    summary: 'Where one is signed in',
    answers: { 200: { description: 'The newest first', schema: z.array(account.session), example: [sample.session] } },
  },
  'DELETE /api/auth/sessions/:id': {
    tag: 'Accounts',
    summary: 'End a session of one’s own',
    parameters: { id: sample.SESSION_ID },
    answers: { 204: { description: 'It has ended' } },
  },
  'GET /api/keys': { tag: 'Keys', summary: 'One’s own keys', parameters: { limit: 100, q: 'scanner' }, answers: { 200: keys } },
  'POST /api/keys': {
    tag: 'Keys',
    summary: 'Make a key',
    description: 'The key is in this answer and nowhere else.',
    body: { example: { name: sample.key.name, scopes: sample.key.scopes, expires_at: sample.key.expires_at } },
    answers: { 201: { description: 'The key', schema: account.newKey, example: sample.newKey } },
    errors: [...json],
  },
  'DELETE /api/keys/:id': {
    tag: 'Keys',
    summary: 'Revoke a key of one’s own',
    parameters: { id: sample.KEY_PATH_ID },
    answers: { 204: { description: 'It is revoked' } },
  },
  'GET /api/admin/keys': { tag: 'Administration', summary: 'Everyone’s keys', parameters: { q: 'ada@' }, answers: { 200: keys } },
  'DELETE /api/admin/keys/:id': {
    tag: 'Administration',
    summary: 'Revoke a key',
    parameters: { id: sample.KEY_PATH_ID },
    answers: { 204: { description: 'It is revoked' } },
  },
  'GET /api/admin/users': {
    tag: 'Administration',
    summary: 'List and find users',
    parameters: { q: 'ada', limit: 100 },
    answers: { 200: users },
  },
  'POST /api/admin/users': {
    tag: 'Administration',
    summary: 'Make a user',
    description: 'Without a password one is made, and shown this once.',
    body: { example: { email: sample.user.email, name: 'Ada', role: 'member' } },
    answers: { 201: { description: 'The user', schema: account.userWithPassword, example: sample.userWithPassword } },
    errors: [...json, 'email_taken', 'overloaded'],
  },
  'PATCH /api/admin/users/:id': {
    tag: 'Administration',
    summary: 'Change a user: role, name, quota; disable or enable',
    description: 'A quota of null is the default of the server. Who is disabled is signed out everywhere.',
    parameters: { id: sample.USER_ID },
    body: { example: { quota: { bytes: null, images: 2_000 } } },
    answers: { 200: { description: 'The user', schema: account.user, example: sample.user } },
    errors: [...json, 'last_admin'],
  },
  'POST /api/admin/users/:id/reset-password': {
    tag: 'Administration',
    summary: 'Help a user to a new password',
    description:
      'Without a password one is made, and shown this once. The user is signed out everywhere. Their API keys go on working unless `revoke_keys`.',
    parameters: { id: sample.USER_ID },
    body: { example: { password: PASSWORD, revoke_keys: false } },
    answers: {
      200: {
        description: 'The user, and the password that was made',
        schema: account.passwordReset,
        example: { ...sample.userWithPassword, password: null, active_keys: 2, revoked_keys: 0 },
      },
    },
    errors: [...json, 'overloaded'],
  },
  'GET /api/admin/audit': {
    tag: 'Administration',
    summary: 'Search the audit log',
    parameters: {
      actor: sample.USER_ID,
      action: 'key',
      q: 'scanner',
      from: '2026-11-01T00:00:00Z',
      to: '2026-12-01T00:00:00Z',
      limit: 100,
    },
    answers: { 200: page('A page, newest first', account.auditEntry, sample.auditEntry) },
  },
  'GET /api/admin/audit.csv': {
    tag: 'Administration',
    summary: 'Export the audit log',
    description: "Cells that a spreadsheet would run have a ' before them. That it was exported stands in the log.",
    parameters: { action: 'login', from: '2026-11-01T00:00:00Z' },
    answers: { 200: { description: 'One line for each entry', type: 'text/csv' } },
  },
  'GET /healthz': { tag: 'Server', summary: 'The process lives', answers: { 200: status('ok') } },
  'GET /readyz': {
    tag: 'Server',
    summary: 'The server takes work',
    answers: { 200: status('ready') },
    errors: ['shutting_down', 'database_unavailable', 'processing_unavailable'],
  },
  'GET /api/openapi.json': {
    tag: 'Server',
    summary: 'This description',
    answers: { 200: { description: 'OpenAPI 3.1', type: 'application/json' } },
  },
}
