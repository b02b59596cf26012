// Changes of access made in this process: whoever holds connections open hears of them at once, before the next look at the database.

export interface AccessChange {
  /** Ids of sessions and keys that have ended. */
  ended?: readonly string[]
  /** The user whose role changed. */
  userId?: string
}

export interface AccessChanges {
  announce(change: AccessChange): void
  /** Returns the function that unsubscribes. */
  onChange(listener: (change: AccessChange) => void): () => void
}

export function createAccessChanges(): AccessChanges {
  const listeners = new Set<(change: AccessChange) => void>()
  return {
    announce(change) {
      for (const listener of listeners) listener(change)
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
