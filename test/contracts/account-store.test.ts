// The account store and the audit log, held to their contracts on each database.
import { onEachDatabase } from '../support/engines/databases.ts'
import { accountStoreContract } from './account-store.ts'
import { auditLogContract } from './audit-log.ts'

onEachDatabase('accounts', (open) => {
  accountStoreContract(open)
  auditLogContract(open)
})
