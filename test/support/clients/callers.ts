// Everyone who may call a server with AUTH=required, in this process: people with sessions, programs with keys, and what belongs to one of them.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import { SCOPES, type Scope } from '../../../src/access.ts'
import { hashToken } from '../../../src/accounts/tokens.ts'
import { addPrincipal } from '../../../src/http/access/principal.ts'
import { createServer, type Patience } from '../../../src/http/server.ts'
import { createLog } from '../../../src/log.ts'
import { NO_RESERVE } from '../../../src/store/disk-reserve.ts'
import { PASSWORD } from './accounts.ts'
import { END_OF_PARTS, MULTIPART, part } from './client.ts'
import { photograph } from '../inputs/photographs.ts'
import { startShared, type Shared } from './principals.ts'

export const CALLERS = [
  'nobody',
  'member',
  'other',
  'admin',
  'upload key',
  'read key',
  'delete key',
  'admin key',
  'expired key',
  'revoked key',
] as const
export type Caller = (typeof CALLERS)[number]

export interface Callers {
  shared: Shared
  /** Media are public on one, private on the other; both have the same rows. */
  server: FastifyInstance
  privateServer: FastifyInstance
  /** Every route, as `GET /api/images/:id`. */
  routes: string[]
  ids: { member: string; other: string; admin: string }
  /** Headers of a caller; of a person, with a session that is new. */
  headersOf(caller: Caller): Promise<Record<string, string>>
  /** Of the member, new: a developed image, a batch that waits for files, a session, a key. */
  makeImage(): Promise<string>
  makeBatch(): Promise<string>
  makeSession(): Promise<string>
  makeKey(): Promise<string>
  end(): Promise<void>
}

const ORIGIN = 'http://localhost'

/** A multipart body of one image, for `inject`. */
export const form = (field: string, bytes: Uint8Array): Pick<InjectOptions, 'payload' | 'headers'> => ({
  headers: { 'content-type': MULTIPART },
  payload: Buffer.concat([part(field, 'harbour.jpg', bytes), END_OF_PARTS]),
})

export async function startCallers({
  trustProxy = [],
  patience = {},
}: { trustProxy?: string[]; patience?: Patience } = {}): Promise<Callers> {
  const shared = await startShared()
  const folder = await mkdtemp(join(tmpdir(), 'calotype-callers-'))
  await mkdir(join(folder, 'assets'))
  await writeFile(join(folder, 'index.html'), '<html><head></head></html>')
  await writeFile(join(folder, 'assets', 'a.js'), '')
  const { accounts, passwords, sessionLimits } = shared.deps
  const routes: string[] = []
  const limits = {
    maxFileBytes: 10_000_000,
    maxFiles: 100,
    maxPending: 1_000,
    uploadIdleTimeoutMs: 60_000,
    syncWaitMs: 60_000,
    batchTtlHours: 1,
  }
  const open = (mediaAccess: 'public' | 'private') => {
    const deps = { ...shared.deps, auth: 'required' as const, trustProxy }
    const pages = { folder, imageOrigins: [], maxFileBytes: limits.maxFileBytes }
    return createServer(
      {
        ...deps,
        log: createLog('silent'),
        limits,
        reserve: NO_RESERVE,
        mediaAccess,
        pages,
        corsOrigins: [],
        obstacle: () => null,
        isStopping: () => false,
      },
      (server) => {
        addPrincipal(server, deps)
        server.addHook('onRoute', ({ method, url }) => void routes.push(...[method].flat().map((one) => `${one} ${url}`)))
      },
      patience,
    )
  }
  const [server, privateServer] = [await open('public'), await open('private')]

  const passwordHash = await passwords.hash(PASSWORD, 'test')
  const addUser = async (name: string, role: 'admin' | 'member') =>
    (await accounts.addUser({ id: uuidv7(), email: `${name}@example.org`, name, role, passwordHash })).id
  const ids = { member: await addUser('member', 'member'), other: await addUser('other', 'member'), admin: await addUser('admin', 'admin') }
  // Who may not be the last of them.
  await addUser('second-admin', 'admin')

  async function addKey(userId: string, scopes: Scope[], expiresAt: number | null = null) {
    const [id, secret] = [uuidv7(), `calo_${uuidv7()}`]
    await accounts.addKey({
      id,
      prefix: secret.slice(0, 11),
      name: scopes.join(' '),
      userId,
      scopes,
      expiresAt,
      tokenHash: hashToken(secret),
    })
    return { id, headers: { authorization: `Bearer ${secret}` } }
  }
  async function addSession(userId: string) {
    const [id, secret] = [uuidv7(), uuidv7()]
    const session = { id, userId, address: '192.0.2.1', userAgent: 'test', tokenHash: hashToken(secret) }
    await accounts.addSession(session, sessionLimits)
    return { id, headers: { cookie: `calotype_session=${secret}`, origin: ORIGIN } }
  }
  const revoked = await addKey(ids.member, [...SCOPES])
  await accounts.revokeKey(revoked.id, null)
  const keys: Partial<Record<Caller, Record<string, string>>> = {
    nobody: {},
    'upload key': (await addKey(ids.member, ['upload'])).headers,
    'read key': (await addKey(ids.member, ['read'])).headers,
    'delete key': (await addKey(ids.member, ['delete'])).headers,
    'admin key': (await addKey(ids.admin, ['admin'])).headers,
    'expired key': (await addKey(ids.admin, [...SCOPES], 1)).headers,
    'revoked key': revoked.headers,
  }

  const bytes = await photograph({ seed: 5, megapixels: 0.02, format: 'jpeg' })
  async function call(url: string, init: InjectOptions) {
    const { headers } = await addSession(ids.member)
    const answer = await server.inject({ method: 'POST', url, ...init, headers: { ...headers, ...init.headers } })
    if (answer.statusCode >= 300) throw new Error(`${url}: ${answer.statusCode} ${answer.body}`)
    return answer.json<{ id: string; image: { id: string } }>()
  }
  return {
    shared,
    server,
    privateServer,
    get routes() {
      return [...new Set(routes)]
    },
    ids,
    headersOf: async (caller) => keys[caller] ?? (await addSession(ids[caller as keyof typeof ids])).headers,
    // The same bytes: developed once.
    makeImage: async () => (await call('/api/upload', form('image', bytes))).image.id,
    makeBatch: async () => (await call('/api/batches', { payload: { files: [{ name: 'a.jpg', size: 10 }] } })).id,
    makeSession: async () => (await addSession(ids.member)).id,
    makeKey: async () => (await addKey(ids.member, ['read'])).id,
    async end() {
      await server.close()
      await privateServer.close()
      await shared.end()
      await rm(folder, { recursive: true })
    },
  }
}
