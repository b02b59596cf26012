// The contract of accounts: users, their sessions and keys, and the counting of wrong guesses.
import type { Principal } from '../access.ts'
import type { KeyStore } from './keys/key-store.ts'
import type { AttemptRetention, AttemptStore } from './limits/attempt-store.ts'
import type { SessionLimits, SessionStore } from './sessions/session-store.ts'
import type { UserStore } from './users/user-store.ts'

/** Every secret comes and stays as its hash. An account that is disabled has no living session and no living key. */
export interface AccountStore extends UserStore, SessionStore, KeyStore, AttemptStore {
  /** Who has these sessions and keys now, by their ids. Those that have ended are not in it. */
  whose(credentialIds: string[], limits: SessionLimits): Promise<Map<string, Principal>>
  /** Removes what has ended: sessions, links, guesses that count no more; and what was used in days long past. */
  sweep(limits: SessionLimits, attempts: readonly AttemptRetention[]): Promise<void>
}
