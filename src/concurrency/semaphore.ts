// A semaphore with weights: shares requests by number, or memory by bytes, among tasks that wait in line.

export interface Semaphore {
  readonly capacity: number
  /**
   * Calls `onGranted`, perhaps at once, when `weight` is free, first come, first served: a large request is never starved by small ones
   * behind it. A weight above the capacity counts as all of it. Returns the function that gives the weight back, or withdraws a request
   * that was not granted yet; calling it twice does nothing.
   */
  acquire(weight: number, onGranted: () => void): () => void
  /** Runs `task` while it holds `weight`. Settles as the task does. */
  run<T>(weight: number, task: () => Promise<T>): Promise<T>
  /** The weight that is held at the moment. */
  inUse(): number
}

export function createSemaphore(capacity: number): Semaphore {
  const waiting: { weight: number; onGranted: () => void }[] = []
  let free = capacity

  function grant() {
    for (let first = waiting[0]; first && first.weight <= free; first = waiting[0]) {
      waiting.shift()
      free -= first.weight
      first.onGranted()
    }
  }

  function acquire(asked: number, onGranted: () => void): () => void {
    const request = { weight: Math.min(asked, capacity), onGranted }
    let isOver = false
    waiting.push(request)
    grant()
    return () => {
      if (isOver) return
      isOver = true
      const place = waiting.indexOf(request)
      if (place >= 0) waiting.splice(place, 1)
      else free += request.weight
      grant()
    }
  }

  return {
    capacity,
    acquire,
    async run(weight, task) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const release = acquire(weight, resolve)
      await promise
      try {
        return await task()
      } finally {
        release()
      }
    },
    inUse: () => capacity - free,
  }
}
