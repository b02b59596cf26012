// What the halves of a trace hand over to be sent: spans that are over, by the ids of batches and images.
import type { Attributes, Link, SpanKind } from '@opentelemetry/api'
import type { Took } from './observer.ts'

/** A span that is over. Its trace is that of its batch: no message and no row has to carry it. */
export interface SpanOfBatch extends Took {
  name: string
  /** Null: a trace of its own. */
  batchId: string | null
  /** Its own id, derived from that of an image or a batch; else any. */
  of?: string | undefined
  /** The image or batch whose span it lies in; else it is a root. */
  within?: string | undefined
  attributes?: Attributes
  error?: string | null
  links?: Link[]
  kind?: SpanKind
}

export type Emit = (span: SpanOfBatch) => void
