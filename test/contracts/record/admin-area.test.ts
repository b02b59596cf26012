// What administrators see and stop, held to its contracts on each database.
import { onEachDatabase } from '../../support/engines/databases.ts'
import { bulkJobsContract } from './bulk-jobs.ts'
import { oversightContract } from './oversight.ts'

onEachDatabase('the admin area', (open) => {
  oversightContract(open)
  bulkJobsContract(open)
})
