// What the flows of accounts need.
import type { AccessChanges } from '../accounts/access-changes.ts'
import type { AccountStore, SessionLimits } from '../accounts/account-store.ts'
import type { AuditLog } from '../accounts/audit-log.ts'
import type { Passwords } from '../accounts/passwords.ts'

export interface AccountDeps {
  accounts: AccountStore
  audit: AuditLog
  passwords: Passwords
  sessionLimits: SessionLimits
  accessChanges: AccessChanges
}
