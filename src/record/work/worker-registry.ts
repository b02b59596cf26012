// The contract of the registry of workers: which processes develop, as they say themselves every few seconds.

export interface WorkerReport {
  /** `<host>-<pid>`. */
  id: string
  kind: 'server' | 'worker'
  /** Children; 0 while none can be started. */
  concurrency: number
  /** Of those, how many have something in hand. */
  busy: number
  /** Images since it started. */
  developed: number
  /** The first word of a process: one before it may have had its name. */
  isFirst: boolean
}

export interface Worker extends Omit<WorkerReport, 'isFirst'> {
  /** Milliseconds since 1970, by the database's clock. */
  startedAt: number
  seenAt: number
  isAlive: boolean
  /** An image for each piece of work, the oldest first, and when it was claimed. */
  inHand: { id: string; name: string; startedAt: number }[]
}

export interface WorkerRegistry {
  report(worker: WorkerReport): Promise<void>
  /** Those that live first, each group by its id. */
  list(): Promise<Worker[]>
  /** Children of the workers that live, and how many are at work. */
  sum(): Promise<{ alive: number; children: number; busy: number }>
  /** Forgets those that said nothing for so long. Returns how many. */
  sweep(ageMs: number): Promise<number>
}
