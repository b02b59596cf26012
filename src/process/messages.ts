// What the server's process and a child of the process step say to each other: paths and numbers, never bytes.
import type { ImageTask, TaskResult } from './image-processor.ts'

export type ToChild =
  /** Develop this after what you have; a child is given at most one more than it is working on. */
  | { say: 'develop'; id: number; task: ImageTask }
  /** The memory asked for is yours until the image is encoded. */
  | { say: 'granted'; id: number }
  /** Give this task back, unless you have begun. */
  | { say: 'recall'; id: number }

export type FromChild =
  | { say: 'ready' }
  /** The system gives it no threads: it can develop nothing, whatever the image. */
  | { say: 'unable'; reason: string }
  /** Waits for so many bytes beyond its standing share before it decodes. */
  | { say: 'waiting'; id: number; bytes: number }
  /** The pixels are done with: the next task begins while this one's files are written. */
  | { say: 'encoded'; id: number }
  /** Recalled, and not begun. */
  | { say: 'returned'; id: number }
  /** `cause` is what the decoder said, for the log. */
  | { say: 'done'; id: number; result: TaskResult; cause?: string }
