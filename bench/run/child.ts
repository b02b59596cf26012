// How the bench runs what it measures: each in a process of its own, so that its CPU time is its own, warmed up before the clock.
import { fork } from 'node:child_process'
import { once } from 'node:events'

type FromChild<Output> = { warm: true } | { done: number } | { measured: true } | { output: Output } | { error: string }
type ToChild<Input> = { input: Input } | { go: true } | { tell: true }

export interface ChildHooks {
  env?: Record<string, string>
  timeoutMs: number
  /** Called when the child is warm; the clock starts when this is done. */
  onWarm?(): void | Promise<void>
  /** Called when the clock has stopped; what the child tells of it comes after. */
  onMeasured?(): void | Promise<void>
  /** How many images are done. */
  onProgress?(done: number): void
}

/** Runs a script that calls `inChild`. Rejects with its error, or if it ends early or takes longer than `timeoutMs`. */
export async function runChild<Input, Output>(script: string, input: Input, hooks: ChildHooks): Promise<Output> {
  const child = fork(script, { env: { ...process.env, ...hooks.env }, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), hooks.timeoutMs)
  const send = (message: ToChild<Input>) => child.send(message)
  try {
    return await new Promise<Output>((resolve, reject) => {
      const hear = async (message: FromChild<Output>) => {
        if ('warm' in message) {
          await hooks.onWarm?.()
          send({ go: true })
        } else if ('done' in message) hooks.onProgress?.(message.done)
        else if ('measured' in message) {
          await hooks.onMeasured?.()
          send({ tell: true })
        } else if ('output' in message) resolve(message.output)
        else reject(new Error(message.error))
      }
      child.on('message', (message: FromChild<Output>) => void hear(message).catch(reject))
      child.once('error', reject)
      child.once('exit', (code, signal) => reject(new Error(`${script} ended with ${signal ?? code} before it was done.`)))
      send({ input })
    })
  } finally {
    clearTimeout(timer)
    child.kill('SIGKILL')
    await exited
  }
}

/** What a measured process took, from the start of its clock to the end. */
export interface Taken {
  seconds: number
  /** CPU time of the process, all its threads. */
  cpuMs: number
}

export interface Measured<Findings> {
  /** What the clock runs for. */
  measure(): Promise<void>
  /** Afterwards: what was found out beside the time it took. */
  tell(): Promise<Findings> | Findings
}

/**
 * The other side: `prepare` makes everything ready and warm, and gives what is to be measured. `progress` is told how many images
 * are done. The output is `Taken` with the findings. The process ends when its parent is gone.
 */
export function inChild<Input, Findings extends object = object>(
  prepare: (input: Input, progress: (done: number) => void) => Promise<Measured<Findings>>,
): void {
  const send = (message: FromChild<Taken & Findings>) => process.send?.(message)
  let measured: Measured<Findings> | undefined
  let taken: Taken | undefined
  let reportedAt = 0
  const progress = (done: number) => {
    const now = performance.now()
    if (now - reportedAt < 250) return
    reportedAt = now
    send({ done })
  }
  process.once('disconnect', () => process.exit())
  const take = async (message: ToChild<Input>) => {
    if ('input' in message) {
      measured = await prepare(message.input, progress)
      return send({ warm: true })
    }
    if ('tell' in message) return send({ output: { ...taken!, ...(await measured!.tell()) } })
    const startedAt = performance.now()
    const before = process.cpuUsage()
    await measured!.measure()
    const { user, system } = process.cpuUsage(before)
    taken = { seconds: (performance.now() - startedAt) / 1000, cpuMs: (user + system) / 1000 }
    send({ measured: true })
  }
  process.on('message', (message: ToChild<Input>) => {
    take(message).catch((error: unknown) => send({ error: error instanceof Error ? error.message : String(error) }))
  })
}
