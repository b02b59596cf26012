// What the flows of accounts need.
import type { AccessChanges } from '../../accounts/sessions/access-changes.ts'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { SessionLimits } from '../../accounts/sessions/session-store.ts'
import type { AuditLog } from '../../accounts/audit/audit-log.ts'
import type { Passwords } from '../../accounts/users/passwords.ts'

export interface AccountDeps {
  accounts: AccountStore
  audit: AuditLog
  passwords: Passwords
  sessionLimits: SessionLimits
  accessChanges: AccessChanges
}
