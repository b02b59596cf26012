// `calotype key`: API keys without a browser.
import { SCOPES, scopesOf, type Scope } from '../access.ts'
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { makeKey, revokeKey as revoke } from '../flow/accounts/change-keys.ts'
import { COMMAND, userOf, withAccounts } from './with-accounts.ts'

const DAY_MS = 24 * 60 * 60_000
const PAGE = 500

/** The key alone goes to stdout. Throws StartError for scopes the owner does not have, and for an end in the past. */
export async function createKey(
  config: Config,
  { owner, scopes: list, name, expires }: { owner: string; scopes: string; name: string; expires?: string },
): Promise<void> {
  const scopes = readScopes(list)
  const expiresAt = expires === undefined ? null : readEnd(expires)
  await withAccounts(config, async (deps) => {
    const user = await userOf(deps, owner)
    const missing = scopes.find((scope) => !scopesOf(user.role).includes(scope))
    if (missing !== undefined) throw new StartError(`${user.email} is a ${user.role} and may not do "${missing}", so no key of theirs may.`)
    const { key, secret } = await makeKey(deps, COMMAND, { userId: user.id, name, scopes, expiresAt })
    console.error(`Key ${key.id} of ${user.email}. Keep it now: it is not shown again.`)
    console.log(secret)
  })
}

export async function listKeys(config: Config, { owner }: { owner?: string }): Promise<void> {
  await withAccounts(config, async (deps) => {
    const userId = owner === undefined ? null : (await userOf(deps, owner)).id
    let cursor: string | null = null
    do {
      const page = await deps.accounts.listKeys(userId, { limit: PAGE, ...(cursor !== null && { cursor }) })
      for (const key of page.items) {
        const { id, prefix, email, scopes, name, expiresAt, lastUsedAt, revokedAt } = key
        const state = revokedAt !== null ? 'revoked' : expiresAt !== null && expiresAt <= Date.now() ? 'expired' : 'valid'
        const times = [`expires ${day(expiresAt)}`, `used ${day(lastUsedAt)}`]
        console.log([id, `${prefix}…`, state, email, scopes.join(','), ...times, name].join('  '))
      }
      cursor = page.next
    } while (cursor !== null)
  })
}

/** Throws StartError where there is no such key. */
export async function revokeKey(config: Config, id: string): Promise<void> {
  const key = await withAccounts(config, (deps) => revoke(deps, COMMAND, id, null))
  if (key === null) throw new StartError(`There is no key ${id}; \`calotype key list\` says which there are.`)
  console.log(`${key.prefix}… of ${key.email} is revoked.`)
}

const day = (at: number | null) => (at === null ? 'never' : new Date(at).toISOString().slice(0, 10))

function readScopes(list: string): Scope[] {
  const names = list.split(/[\s,]+/).filter(Boolean)
  const unknown = names.find((name) => !SCOPES.some((scope) => scope === name))
  if (unknown !== undefined || names.length === 0) {
    throw new StartError(`--scopes is "${list}"; it must be some of ${SCOPES.join(', ')}, separated by commas.`)
  }
  return SCOPES.filter((scope) => names.includes(scope))
}

function readEnd(text: string): number {
  const [, days] = /^(\d{1,5})d$/.exec(text) ?? []
  const at = days !== undefined ? Date.now() + Number(days) * DAY_MS : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(at))
    throw new StartError(`--expires is "${text}"; it must be a date like 2030-12-31, a time in ISO 8601, or days like 90d.`)
  if (at <= Date.now()) throw new StartError(`--expires is "${text}", which lies in the past.`)
  return at
}
