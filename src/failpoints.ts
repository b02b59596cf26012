// Where tests end a process: each step of the journey has a name here. Off unless CALOTYPE_FAILPOINT names a file, and then free of cost.
import { readFileSync, renameSync } from 'node:fs'

/** In the order of the journey. */
export const FAILPOINTS = [
  // A server, while it receives and records.
  'file-opened',
  'file-written',
  'file-synced',
  'originals-expected',
  'blob-renamed',
  'blob-in-place',
  'originals-stored',
  'upload-uncommitted',
  'arrival-uncommitted',
  'upload-committed',
  'upload-announced',
  'upload-taken',
  // Who develops: the embedded server, or a worker.
  'work-claimed',
  'original-at-hand',
  'image-developed',
  'outputs-stored',
  'outcome-recorded',
  'outcome-announced',
  // A child.
  'child-begun',
  'child-admitted',
  'child-output-written',
  'child-encoded',
  'child-done',
  // Undoing, removing, and putting right what a crash left.
  'upload-aborted',
  'image-deleted',
  'blobs-deleted',
  'expected-given-up',
  'uploads-given-up',
  'work-reclaimed',
] as const

export type Failpoint = (typeof FAILPOINTS)[number]

/**
 * A file, which need not be there, with one line: `NAME N` ends the process that comes to this point for the Nth time, once, and
 * renames the file to `….fired`; `NAME SHA256` ends whatever process comes to it with this original, each time. It is read anew at
 * each point, so that a test can set it while processes run.
 */
const file = process.env.CALOTYPE_FAILPOINT

/** Ends this process by SIGKILL, if a test says so; else nothing. */
export function failpoint(name: Failpoint, sha256?: string): void {
  if (file !== undefined) reach(file, name, sha256)
}

/** For processes that are started without the environment of this one. */
export const failpointEnv: Record<string, string> = file === undefined ? {} : { CALOTYPE_FAILPOINT: file }

let line = ''
let reached = 0

function reach(path: string, name: Failpoint, sha256: string | undefined): void {
  let said
  try {
    said = readFileSync(path, 'utf8').trim()
  } catch {
    return
  }
  if (said !== line) [line, reached] = [said, 0]
  const [wanted, which = ''] = said.split(' ')
  if (wanted !== name) return
  if (sha256 !== undefined && which === sha256) die()
  if (!/^\d{1,9}$/.test(which) || ++reached !== Number(which)) return
  try {
    // Of several processes that come to it, one ends.
    renameSync(path, `${path}.fired`)
  } catch {
    return
  }
  die()
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
  // Not one step further, in no thread.
  for (;;);
}
