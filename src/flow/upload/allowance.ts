// What a user may still upload today: asked before their body is read, and held while it arrives.
import { untilTomorrowSeconds, type Principal, type Quota } from '../../access.ts'
import type { AccountStore } from '../../accounts/account-store.ts'
import { CalotypeError } from '../../errors.ts'
import type { Allowance } from '../../receive/receive-files.ts'

export interface AllowanceDeps {
  accounts: Pick<AccountStore, 'getUser'>
  /** Of who has none of their own. */
  quota: Quota
}

const exceeded = () => new CalotypeError('quota_exceeded', undefined, { retryAfterSeconds: untilTomorrowSeconds() })

/**
 * Null for who has no account. Throws `quota_exceeded` where nothing is left. Uploads that arrive at the same time are each let in for
 * what is left; which of them are within it is decided where they are recorded.
 */
export async function allowanceOf({ accounts, quota }: AllowanceDeps, { userId }: Principal): Promise<Allowance | null> {
  const user = userId === null ? null : await accounts.getUser(userId)
  if (user === null) return null
  const left = {
    bytes: (user.quota.bytes ?? quota.bytes ?? Infinity) - user.usedToday.bytes,
    images: (user.quota.images ?? quota.images ?? Infinity) - user.usedToday.images,
  }
  if (left.bytes <= 0 || left.images <= 0) throw exceeded()
  return { ...left, exceeded }
}
