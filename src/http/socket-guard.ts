// WebSockets of sessions and keys: closed when those end, at once in this process, within seconds wherever else they ended.
import type { WebSocket } from 'ws'
import type { Principal } from '../access.ts'
import type { AccountStore, SessionLimits } from '../accounts/account-store.ts'
import type { EndedCredentials } from '../accounts/ended-credentials.ts'
import type { Logger } from '../log.ts'

const CHECK_INTERVAL_MS = 5_000
const IDS_PER_QUERY = 1_000
/** Ours, after HTTP's 401: sign in again before you come back. */
const SIGNED_OUT = 4401

export interface SocketGuard {
  /** From now on, until it closes. Sockets of nobody's session or key are left alone. */
  hold(socket: WebSocket, principal: Principal): void
  close(): void
}

export interface SocketGuardDeps {
  accounts: Pick<AccountStore, 'endedOf'>
  sessionLimits: SessionLimits
  ended: EndedCredentials
  log: Pick<Logger, 'warn'>
}

export function guardSockets({ accounts, sessionLimits, ended, log }: SocketGuardDeps): SocketGuard {
  const held = new Map<string, Set<WebSocket>>()

  function end(credentialIds: readonly string[]): void {
    for (const id of credentialIds) for (const socket of held.get(id) ?? []) socket.close(SIGNED_OUT, 'Signed out')
  }

  async function check(): Promise<void> {
    const ids = [...held.keys()]
    for (let at = 0; at < ids.length; at += IDS_PER_QUERY) {
      end(await accounts.endedOf(ids.slice(at, at + IDS_PER_QUERY), sessionLimits))
    }
  }

  let checking = false
  const timer = setInterval(() => {
    if (checking) return
    checking = true
    check()
      .catch((error: unknown) => log.warn({ err: error }, 'sessions of sockets could not be looked up'))
      .finally(() => (checking = false))
  }, CHECK_INTERVAL_MS)
  const stopListening = ended.onEnded(end)

  return {
    hold(socket, { credentialId }) {
      if (credentialId === null) return
      const sockets = held.get(credentialId) ?? new Set()
      held.set(credentialId, sockets.add(socket))
      socket.on('close', () => {
        sockets.delete(socket)
        if (sockets.size === 0 && held.get(credentialId) === sockets) held.delete(credentialId)
      })
    },
    close() {
      clearInterval(timer)
      stopListening()
    },
  }
}
