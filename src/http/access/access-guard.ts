// What is held open for a session or a key follows its account: told at once of changes made in this process, within seconds of all others.
import type { Principal } from '../../access.ts'
import type { AccessChanges } from '../../accounts/sessions/access-changes.ts'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { SessionLimits } from '../../accounts/sessions/session-store.ts'
import type { Logger } from '../../log.ts'

const CHECK_INTERVAL_MS = 5_000
const IDS_PER_QUERY = 1_000

/** Called with who the credential stands for now, also when nothing has changed; null once it has ended. */
export type Follow = (now: Principal | null) => void

export interface AccessGuard {
  /** Calls `follow` at every look until released. Returns the function that releases. Without a session or a key there is nothing to follow. */
  hold(principal: Principal, follow: Follow): () => void
  close(): void
}

export interface AccessGuardDeps {
  accounts: Pick<AccountStore, 'whose'>
  sessionLimits: SessionLimits
  accessChanges: AccessChanges
  log: Pick<Logger, 'warn'>
}

interface Held {
  userId: string | null
  follow: Follow
}

export function guardAccess({ accounts, sessionLimits, accessChanges, log }: AccessGuardDeps): AccessGuard {
  const held = new Map<string, Set<Held>>()
  let looking = Promise.resolve()
  let isLookDue = false

  const tell = (credentialId: string, now: Principal | null) => {
    for (const { follow } of held.get(credentialId) ?? []) follow(now)
  }

  async function lookAt(ids: string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += IDS_PER_QUERY) {
      const some = ids.slice(at, at + IDS_PER_QUERY)
      const holders = await accounts.whose(some, sessionLimits)
      for (const id of some) tell(id, holders.get(id) ?? null)
    }
  }

  /** One look after the other: an older answer never replaces a newer one. */
  const look = (idsToLookAt: () => string[]) =>
    (looking = looking
      .then(() => lookAt(idsToLookAt()))
      .catch((error: unknown) => log.warn({ err: error }, 'could not look up the accounts of open connections')))

  const timer = setInterval(() => {
    if (isLookDue) return
    isLookDue = true
    void look(() => [...held.keys()]).finally(() => (isLookDue = false))
  }, CHECK_INTERVAL_MS)

  const stopListening = accessChanges.onChange(({ ended = [], userId }) => {
    for (const id of ended) tell(id, null)
    if (userId === undefined) return
    void look(() => [...held].filter(([, entries]) => [...entries].some((entry) => entry.userId === userId)).map(([id]) => id))
  })

  return {
    hold({ credentialId, userId }, follow) {
      if (credentialId === null) return () => undefined
      const entry = { userId, follow }
      const entries = held.get(credentialId) ?? new Set()
      held.set(credentialId, entries.add(entry))
      return () => {
        entries.delete(entry)
        if (entries.size === 0 && held.get(credentialId) === entries) held.delete(credentialId)
      }
    },
    close() {
      clearInterval(timer)
      stopListening()
    },
  }
}
