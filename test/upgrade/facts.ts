// What an older version answered about the data that it left behind: facts.json of a fixture, written by `npm run upgrade-fixture`.
import type { ApiUser } from '../../src/api/accounts.ts'
import type { ApiAdminImage, ApiPause } from '../../src/api/admin.ts'
import type { ApiBatch, ApiBatchFile } from '../../src/api/batches.ts'
import type { ApiKey } from '../../src/api/keys.ts'

export interface Facts {
  /** The commit that the data was made by. */
  revision: string
  embedded: LeftBehind
  cluster: LeftBehind
}

/** A file that was not sent, or not for the last time. Base64. */
export interface FileToSend {
  name: string
  bytes: string
}

export interface LeftBehind {
  /** Everyone's, as an administrator sees them. */
  images: ApiAdminImage[]
  /** Every URL of a developed image and of a thumbnail, and of the originals, with the SHA-256 of what it gave, in hex. */
  media: Record<string, string>
  originals: Record<string, string>
  batches: (ApiBatch & { files: ApiBatchFile[] })[]
  users: ApiUser[]
  /** Of everyone. */
  password: string
  /** By who they are: the key, its id, and what the key is told of. */
  keys: Record<'admin' | 'member' | 'reader', { key: string; facts: ApiKey }>
  /** `name=value` of a cookie of the member. */
  session: string
  /** Ids of the entries of the audit log. */
  audit: string[]
  pause: ApiPause | null
  /** An upload under an Idempotency-Key, by the member's key, and what it was answered. */
  repeatable: { key: string; file: FileToSend; status: number; text: string }
  /** A declared batch of the member, and the files of it that never came, by their index. */
  halfArrived: { batch: string; missing: (FileToSend & { index: number })[] }
  cancelled: { batch: string }
  /** Ids of images that are in these states. */
  failed: string
  pending: string[]
  processing: string
  /** Two images with the same bytes, of two owners. */
  same: [string, string]
  /** The SHA-256 of originals whose only image was deleted, and which are still in the store. */
  released: string[]
}
