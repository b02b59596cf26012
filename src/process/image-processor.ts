// The contract of the process step: pixels are touched only behind it.
import type { Failure, Format, Picture } from '../image.ts'

/** Paths and operations, never bytes. */
export interface ImageTask {
  /** SHA-256 of the original; for logs. */
  sha256: string
  /** By signature; a decoder that finds another format than this fails the image. */
  format: Format
  originalPath: string
  /** What is to be made (`rendition/operation.ts`), and where it is written: in an existing folder, no file there yet. */
  outputs: { operation: string; path: string }[]
}

/** An output that was made, or why it can't be. */
export type MadeOutput = { operation: string } & ({ width: number; height: number; size: number } | { failure: Failure })

/**
 * `developed`: the outputs are written at the paths of the task, not synced. `failed`: for good, with its reason; nothing is
 * left at the paths. `interrupted`: the processor was closed first, or can start no process; the image is still to be developed.
 */
export type TaskResult =
  { outcome: 'developed'; picture: Picture; outputs: MadeOutput[] } | { outcome: 'failed'; failure: Failure } | { outcome: 'interrupted' }

export interface ProcessorStats {
  /** None while there is an obstacle. */
  children: { pid: number; busy: boolean; developed: number }[]
  /** By all children there ever were. */
  developed: number
  /** Children that died and were replaced since the start, deadlines included. */
  replaced: number
  /** Estimated bytes of memory granted to what is being developed. */
  bytesInFlight: number
}

export interface ImageProcessor {
  /** How many tasks to hand over at once, so that no child waits for the next. */
  readonly capacity: number
  /** Develops one original. Never rejects: whatever happens to a child, the outcome says it. */
  develop(task: ImageTask): Promise<TaskResult>
  /**
   * Why no image can be developed, in a sentence for whoever runs the server: no child process can be started. While there is an
   * obstacle every task is interrupted at once; starts are tried again, and it goes away by itself. Null without one.
   */
  obstacle(): string | null
  /** Resolves while there is no obstacle, as soon as there is none, and when it is closed. */
  whenAble(): Promise<void>
  stats(): ProcessorStats
  /** Lets what is being developed finish for at most `graceMs`, interrupts the rest, ends every child. Safe to call twice. */
  close(graceMs: number): Promise<void>
}
