// How far a bench is, for who waits for it.
import { SingleBar } from 'cli-progress'

/** Shows one step on stderr: a bar on a terminal, else a line when it is done. Gives what to call with how many images are done. */
export async function shown<T>(name: string, total: number, step: (progress: (done: number) => void) => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const bar = new SingleBar({ format: '{name} {bar} {value}/{total}  {eta_formatted}', hideCursor: true, clearOnComplete: true })
  if (process.stderr.isTTY) bar.start(total, 0, { name: name.padEnd(32) })
  try {
    const result = await step((done) => bar.update(done))
    if (!process.stderr.isTTY) console.error(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    return result
  } finally {
    bar.stop()
  }
}
