// What two requests under one Idempotency-Key must share to be the same.
import { createHash } from 'node:crypto'
import type { BatchKind } from '../../record/batches/batch-store.ts'
import type { GroupFile } from '../upload/group-files.ts'

const sha256Of = (content: unknown) => createHash('sha256').update(JSON.stringify(content)).digest('hex')

/** Of an upload: its endpoint, and name and content of every file in its place. */
export function fingerprintOfUpload(kind: BatchKind, files: GroupFile[]): string {
  const contents = files
    .map((file) => [file.index, file.name, file.outcome === 'received' ? file.sha256 : file.code] as const)
    .sort((a, b) => a[0] - b[0])
  return sha256Of([kind, contents])
}

/** Of a declaration: every file that is declared, in its place. */
export const fingerprintOfDeclaration = (files: { name: string; size: number; sha256: string | null }[]): string =>
  sha256Of(['declared', files.map(({ name, size, sha256 }) => [name, size, sha256])])
