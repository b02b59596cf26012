// The upload in numbers: what the bars, the counts and the voice say.
import type { Counts } from '../entry-list.svelte.ts'

export interface Figures {
  /** Files that are to be developed, and their bytes: without those refused, skipped or cancelled. */
  total: number
  totalBytes: number
  /** With the server. */
  sent: number
  sentBytes: number
  /** Done with, well or not. */
  settled: number
  done: number
  /** Failed in development, or refused before. */
  failed: number
  missing: number
  /** Still to be sent from this page. */
  ours: number
  /** Something is still going on, here or at the server. */
  isActive: boolean
}

export function figuresOf(count: Counts, bytes: Counts, loadedBytes: number): Figures {
  const ours = count.reading + count.waiting + count.sending
  const sent = count.sent + count.developing + count.done + count.failed
  const sentBytes = bytes.sent + bytes.developing + bytes.done + bytes.failed
  return {
    total: ours + sent + count.missing,
    totalBytes: bytes.reading + bytes.waiting + bytes.sending + sentBytes + bytes.missing,
    sent,
    sentBytes: sentBytes + Math.min(loadedBytes, bytes.sending),
    settled: count.done + count.failed,
    done: count.done,
    failed: count.failed + count.refused,
    missing: count.missing,
    ours,
    isActive: ours + count.sent + count.developing > 0,
  }
}

/** Seconds until all is developed, by how fast it was of late; null while that can't be told. */
export function secondsLeft(figures: Figures, bytesPerSecond: number | null, filesPerSecond: number | null): number | null {
  const { total, totalBytes, sentBytes, settled, missing } = figures
  const toSend = totalBytes - sentBytes
  const sending = toSend === 0 ? 0 : bytesPerSecond ? toSend / bytesPerSecond : null
  const developing = filesPerSecond ? (total - missing - settled) / filesPerSecond : null
  return sending === null || developing === null ? null : Math.max(sending, developing)
}
