// Transactions that PostgreSQL ends to undo a deadlock: nothing of them happened, so they are run again.

// https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure, deadlock_detected
const CONFLICTS = ['40001', '40P01']
const MOST_TRIES = 5

export async function retryConflicts<T>(transaction: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await transaction()
    } catch (error) {
      if (tried === MOST_TRIES || !CONFLICTS.includes((error as { code?: string }).code ?? '')) throw error
    }
  }
}
