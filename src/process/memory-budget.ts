// The memory that children share while they develop: given out first come, first served, and never more than there is.

export interface MemoryBudget {
  /**
   * Calls back, perhaps at once, when `bytes` are the asker's. Who asks for more than there is at all gets all of it, alone.
   * Returns what gives them back, or withdraws the question; calling it again does nothing.
   */
  ask(bytes: number, onGranted: () => void): () => void
  grantedBytes(): number
}

export function createMemoryBudget(totalBytes: number): MemoryBudget {
  const waiting: { bytes: number; onGranted: () => void }[] = []
  let freeBytes = totalBytes

  const grant = () => {
    // Only the first is looked at: were smaller ones let past, a large one might wait for ever.
    for (let first = waiting[0]; first && first.bytes <= freeBytes; first = waiting[0]) {
      waiting.shift()
      freeBytes -= first.bytes
      first.onGranted()
    }
  }
  return {
    ask(bytes, onGranted) {
      const question = { bytes: Math.min(bytes, totalBytes), onGranted }
      let held = true
      waiting.push(question)
      grant()
      return () => {
        if (!held) return
        held = false
        const index = waiting.indexOf(question)
        if (index >= 0) waiting.splice(index, 1)
        else freeBytes += question.bytes
        grant()
      }
    },
    grantedBytes: () => totalBytes - freeBytes,
  }
}
