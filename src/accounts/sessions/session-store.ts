// The contract of sessions: who is signed in, where, and until when.
import type { Principal } from '../../access.ts'

export interface Session {
  id: string
  userId: string
  createdAt: number
  lastSeenAt: number
  /** Its end, however much it is used. */
  expiresAt: number
  address: string
  userAgent: string
}

export interface NewSession extends Pick<Session, 'id' | 'userId' | 'address' | 'userAgent'> {
  tokenHash: string
}

export interface SessionLimits {
  /** Not used for so long, it ends. */
  idleMs: number
  /** So long after signing in, it ends. */
  maxMs: number
}

export interface SessionStore {
  addSession(session: NewSession, limits: SessionLimits): Promise<void>
  /** Who has this session, if it lives; using it puts its idle end off. */
  whoseSession(tokenHash: string, limits: SessionLimits): Promise<Principal | null>
  /** Those that live, the newest first. */
  listSessions(userId: string, limits: SessionLimits): Promise<Session[]>
  /** Whether there was such a session of the user. */
  endSession(id: string, userId: string): Promise<boolean>
}
