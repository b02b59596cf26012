// What became of somebody's API keys when they got another password.
import type { ApiPasswordChanged } from '../../../../src/api/accounts.ts'

/** A sentence; null where they have none. `whose` is `Your` or `Their`. */
export function keysAfter({ active_keys: active, revoked_keys: revoked }: ApiPasswordChanged, whose: 'Your' | 'Their'): string | null {
  if (revoked > 0) return `${whose} ${countOf(revoked)} ${revoked === 1 ? 'is' : 'are'} revoked.`
  if (active > 0) return `${whose} ${countOf(active)} still ${active === 1 ? 'works' : 'work'}. Revoke those that somebody else may have.`
  return null
}

const countOf = (keys: number) => (keys === 1 ? 'API key' : `${keys} API keys`)
