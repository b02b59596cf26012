// The contract of API keys.
import type { Principal, Scope } from '../../access.ts'
import type { PageOf } from '../../db/keyset.ts'
import type { SearchQuery } from '../text-search.ts'

export interface Key {
  id: string
  /** The beginning of the secret. */
  prefix: string
  name: string
  userId: string
  email: string
  scopes: Scope[]
  createdAt: number
  expiresAt: number | null
  /** At most a minute old while it is used. */
  lastUsedAt: number | null
  revokedAt: number | null
}

export interface NewKey extends Pick<Key, 'id' | 'prefix' | 'name' | 'userId' | 'scopes' | 'expiresAt'> {
  tokenHash: string
}

export interface KeyStore {
  /** The owner's e-mail comes with it. */
  addKey(key: NewKey): Promise<Key>
  /** Who has this key, if it lives, with no more scopes than the role of its owner has; using it is noted. */
  whoseKey(tokenHash: string): Promise<Principal | null>
  /** Of one user, or everyone's; revoked and expired ones, too. The newest first. */
  listKeys(userId: string | null, query: SearchQuery): Promise<PageOf<Key>>
  /** Of one user, or anyone's; null where there is no such key. Doing it twice does no harm. */
  revokeKey(id: string, userId: string | null): Promise<Key | null>
}
