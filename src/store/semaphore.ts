// Bounds what the store has in hand, requests by number and pieces of files by bytes, so that a thousand puts at once only wait.

export interface Gate {
  /** Runs `work` once its weight fits, first come, first served. A weight above the capacity counts as all of it. */
  run<T>(weight: number, work: () => Promise<T>): Promise<T>
}

export function createGate(capacity: number): Gate {
  let free = capacity
  const waiting: { weight: number; enter: () => void }[] = []

  function admit() {
    for (let first = waiting[0]; first && first.weight <= free; first = waiting[0]) {
      waiting.shift()
      free -= first.weight
      first.enter()
    }
  }

  return {
    async run(asked, work) {
      const weight = Math.min(asked, capacity)
      await new Promise<void>((enter) => {
        waiting.push({ weight, enter })
        admit()
      })
      try {
        return await work()
      } finally {
        free += weight
        admit()
      }
    },
  }
}
