// Sessions and keys that end in this process: whoever holds a connection open for one hears of it at once.

export interface EndedCredentials {
  announce(credentialIds: readonly string[]): void
  /** Returns the function that ends it. */
  onEnded(listener: (credentialIds: readonly string[]) => void): () => void
}

export function createEndedCredentials(): EndedCredentials {
  const listeners = new Set<(credentialIds: readonly string[]) => void>()
  return {
    announce(credentialIds) {
      if (credentialIds.length > 0) for (const listener of listeners) listener(credentialIds)
    },
    onEnded(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
