// The contract of the pause: while there is one, no server and no worker claims anything. It ends by itself.

export interface Pause {
  /** For people: an e-mail address, or where it came from. */
  by: string
  reason: string
  /** Milliseconds since 1970, by the database's clock. */
  since: number
  until: number
}

export interface WorkPause {
  /** Null where there is none, or its time is over. */
  current(): Promise<Pause | null>
  /** From now on, for so long; instead of the one there is. From when it resolves, no claim takes anything. */
  begin(pause: { by: string; reason: string; ms: number }): Promise<Pause>
  /** Returns the one that was ended, or null. Repeatable. */
  end(): Promise<Pause | null>
}
