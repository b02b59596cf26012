// The contract of rate limits: how many calls in a minute somebody has made, counted over all servers.

export interface RequestLimiter {
  /**
   * Counts a call of `subject`. Returns the seconds to wait where there were `perMinute` already; null where there were not. Never
   * rejects: where servers can't count together just now, each counts by itself.
   */
  count(subject: string, perMinute: number): Promise<number | null>
  close(): void
}
