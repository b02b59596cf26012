// The contract of those who watch the journey: what they are told, after the fact. No step and no flow knows that it is watched.
import type { ErrorCode } from '../error-codes.ts'
import type { Image } from '../image.ts'

/** In milliseconds since 1970, with fractions. */
export interface Took {
  startedAt: number
  endedAt: number
}

export type BlobOperation = 'put' | 'checkout' | 'stat' | 'read' | 'link' | 'delete'

/** What happened. Labels among it (`route`, `sweep`, codes) are from small sets of ours, never what a client sent. */
export type Observed =
  /** Answered, or cut off by the client (status 499). `route` is its pattern; null where nothing is. `receivedBytes` with its head. */
  | { what: 'request'; route: string | null; method: string; status: number; receivedBytes: number; took: Took }
  /** A file of an upload came whole and is synced, or was refused. */
  | { what: 'file'; size: number; sha256: string | null; code: ErrorCode | null; took: Took }
  | { what: 'blob'; operation: BlobOperation; keys: string[]; code: ErrorCode | null; took: Took }
  /** A group of files has its rows. `isDeclared`: its batch was there before. */
  | { what: 'recorded'; batchId: string; isDeclared: boolean; images: Image[]; took: Took }
  | { what: 'declared'; batchId: string; took: Took }
  /** Work was claimed: these originals, and the images that wait for them. */
  | { what: 'claimed'; hashes: string[]; images: Image[]; took: Took }
  | { what: 'given-back'; hashes: string[] }
  | { what: 'developed'; sha256: string; code: ErrorCode | null; took: Took }
  /** An outcome is recorded, and the images that it decided. */
  | { what: 'finished'; sha256: string; images: Image[]; took: Took }
  /** Work of a worker that ended, found again by the sweep. */
  | { what: 'reclaimed'; images: Image[] }
  | { what: 'published'; images: Image[]; took: Took }
  /** An event came to this server, so long after its state was committed. */
  | { what: 'heard'; lagMs: number }
  /** Somebody asked for a file that the store has lost, or no longer has as it was. */
  | { what: 'lost'; code: 'original_missing' | 'original_damaged' | 'rendition_missing' }
  | { what: 'round-trip'; statements: number; ms: number; failed: boolean }
  | { what: 'sweep'; sweep: string; failed: boolean; took: Took }

/** What is asked when somebody looks. */
export interface Sources {
  backlog(): Promise<{ pending: number; processing: number; oldestPendingMs: number | null }>
  /** Whether deletion is halted, and for how many originals that the database does not know. */
  deletion(): Promise<{ halted: boolean; unknownOriginals: number }>
  /** Hints in the queue; null while that can not be known. */
  hints(): Promise<number | null>
  connections(): { open: number; inUse: number; waiting: number }
  children(): { children: { busy: boolean }[]; replaced: number; bytesInFlight: number }
  watchers(): number
}

export interface Observer {
  /** Cheap, and never throws. */
  tell(event: Observed): void
  /** Runs what follows a request's arrival: what is told from within belongs to it. */
  within(request: { route: string | null; method: string; traceparent: string | undefined }, next: () => void): void
  /** Adds what can be asked. */
  watch(sources: Partial<Sources>): void
  /** Takes two seconds at most. */
  close(): Promise<void>
}

export const now = () => performance.timeOrigin + performance.now()
