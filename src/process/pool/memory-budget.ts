// The memory that children share while they develop: given out first come, first served, and never more than there is.
import { grantedMemory } from '../../config/granted-memory.ts'

/**
 * What a server or worker, and a child without pixels, can't do without; most of what is resident is code they share, and is read again
 * when it is needed. In 512 MiB, with two children, an AVIF of 20 MP that took 373 MB was developed, and took all there was.
 */
const SERVER_BYTES = 80e6
const CHILD_BYTES = 30e6

/** Bytes there are for one image while all children but its own are idle. */
export function roomForOne(concurrency: number): number {
  return Math.max(0, grantedMemory() - SERVER_BYTES - concurrency * CHILD_BYTES)
}

export interface MemoryBudget {
  readonly totalBytes: number
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
    totalBytes,
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
