// The contract of wrong guesses at passwords: counted before they are looked at, on however many servers.

/** What wrong guesses are counted by: an account, an address, both together, a known device, a session. */
export interface AttemptSubject {
  kind: string
  id: string
}

/** How many wrong guesses of `subject` within `windowMs` are free, and how long to wait beyond them. */
export interface AttemptLimit {
  subject: AttemptSubject
  windowMs: number
  free: number
  /** What has to pass since the last of `free + beyond - 1` wrong guesses. Without it, the oldest of them has to leave the window. */
  delayMs?: (beyond: number) => number
}

/** Which limit a guess met, and when to try again. */
export interface AttemptRefusal {
  limit: AttemptLimit
  retryAfterSeconds: number
}

/** Guesses of this kind are counted for so long. */
export interface AttemptRetention {
  kind: string
  windowMs: number
}

export interface AttemptStore {
  /** The limit that makes a guess wait the longest at the moment; null where it need not wait. Nothing is counted. */
  refusalOf(limits: AttemptLimit[]): Promise<AttemptRefusal | null>
  /**
   * Counts a guess before it is looked at, exactly: of many at once, on however many servers, no more than the limits allow are counted.
   * Returns the limit that makes it wait the longest: then it is not counted. Otherwise a right guess is told to `forgive`.
   */
  countAttempt(id: string, limits: AttemptLimit[]): Promise<AttemptRefusal | null>
  /** The guess was right: it was none, nor were those of `subject` before it, which are taken out of the counts of `alsoIn` as well. */
  forgive(attemptId: string, subject: AttemptSubject, alsoIn: AttemptSubject[]): Promise<void>
  /** As if nobody had ever guessed at `subject`. */
  forgetAttempts(subject: AttemptSubject): Promise<void>
}
