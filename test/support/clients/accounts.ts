// People and programs for tests of a server with AUTH=required: the first administrator by the link of its log, and who they let in.
import assert from 'node:assert/strict'
import type { Role, Scope } from '../../../src/access.ts'
import type { ApiMe, ApiUserWithPassword } from '../../../src/api/accounts.ts'
import type { ApiError } from '../../../src/api/errors.ts'
import type { ApiNewKey } from '../../../src/api/keys.ts'
import { ask, type Answer } from './client.ts'
import type { Server } from '../servers/server.ts'

export const PASSWORD = 'correct horse battery'

type Address = { readonly url: string }

/** Who is signed in. */
export interface SignedIn {
  email: string
  id: string
  /** Of the cookie, as a `Cookie` header has it: `name=value`. */
  cookie: string
  /** As a page of the server itself asks: `{ cookie, origin }`. */
  headers: Record<string, string>
}

/** Asks with JSON, and the headers given. */
export const send = <T = ApiError>(server: Address, method: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
  ask<T & ApiError>(server, path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })

export const login = (server: Address, email: string, password = PASSWORD, headers: Record<string, string> = {}) =>
  send<ApiMe>(server, 'POST', '/api/auth/login', { email, password }, headers)

/** The `name=value` of the cookie that an answer sets. */
export function cookieOf({ headers }: Answer<unknown>): string {
  const [cookie] = [headers['set-cookie']].flat()
  assert.ok(cookie, 'no cookie was set')
  return cookie.split(';', 1)[0]!
}

function toSignedIn(server: Address, answer: Answer<ApiMe & ApiError>): SignedIn {
  assert.ok(answer.status === 200 || answer.status === 201, answer.text)
  const cookie = cookieOf(answer)
  const { email, id } = answer.body.user!
  return { email, id, cookie, headers: { cookie, origin: server.url } }
}

/** The secret of the set-up link that the server has printed. */
export function setupTokenOf(output: string): string | undefined {
  return /^set-up http:\/\/\S+\/setup#(\S+)/m.exec(output)?.[1]
}

/** Makes the first administrator by the link of the log. */
export async function setUp(server: Pick<Server, 'url' | 'output'>, email = 'root@example.org'): Promise<SignedIn> {
  const body = { token: setupTokenOf(server.output()), email, password: PASSWORD, name: 'Root' }
  return toSignedIn(server, await send<ApiMe>(server, 'POST', '/api/auth/setup', body))
}

export const signIn = async (server: Address, email: string, password = PASSWORD) =>
  toSignedIn(server, await login(server, email, password))

/** Makes a user and signs them in. */
export async function letIn(server: Address, admin: SignedIn, email: string, role: Role = 'member'): Promise<SignedIn> {
  const body = { email, name: email.split('@')[0], role, password: PASSWORD }
  const answer = await send<ApiUserWithPassword>(server, 'POST', '/api/admin/users', body, admin.headers)
  assert.equal(answer.status, 201, answer.text)
  return signIn(server, email)
}

/** Makes a key of who is signed in; gives it, its id, and the headers to ask with. */
export async function makeKey(server: Address, owner: SignedIn, scopes: Scope[], expiresAt?: Date) {
  const body = { name: scopes.join(' '), scopes, ...(expiresAt && { expires_at: expiresAt.toISOString() }) }
  const answer = await send<ApiNewKey>(server, 'POST', '/api/keys', body, owner.headers)
  assert.equal(answer.status, 201, answer.text)
  const { key, id } = answer.body
  return { key, id, headers: { authorization: `Bearer ${key}` } }
}
