// Where the bytes of originals and renditions lie in the blob store: keys that follow from the hash and the operation alone.
import { parseOperation } from './operation.ts'

// 256 folders by the first byte of the hash keep folders small: 4,000 files each at a million.
const shard = (sha256: string) => sha256.slice(0, 2)

export const originalKey = (sha256: string) => `originals/${shard(sha256)}/${sha256}`

/** Those of the first pipeline that versions before this one made have the names those gave them: no blob is moved by an upgrade. */
const FIRST_NAMES: [operation: RegExp, name: string][] = [
  [/^w1500\.p1\.(\w+)$/, 'v1.$1'],
  [/^w320-still\.p1\.webp$/, 'v1-thumbnail.webp'],
]

/** `operation` is an `operationText`; throws for anything else. */
export function renditionKey(sha256: string, operation: string): string {
  parseOperation(operation)
  const name = FIRST_NAMES.reduce((text, [first, old]) => text.replace(first, old), operation)
  return `renditions/${shard(sha256)}/${sha256}-${name}`
}

/** The hash a key of the blob store belongs to, or null for a file that is none of ours. */
export const sha256OfKey = (key: string) => /\/([0-9a-f]{64})(?:[-.]|$)/.exec(key)?.[1] ?? null
