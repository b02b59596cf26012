// The lease of an upload that arrives: as long as its server lives, nobody gives up its batch or its Idempotency-Key.
import type { UploadStore } from '../../record/uploads/upload-store.ts'

/** An upload whose server has not renewed it for so long is abandoned; a server that lives renews it three times in that. */
export const UPLOAD_LEASE_MS = 15_000

export interface LeaseDeps {
  uploads: Pick<UploadStore, 'renewLease'>
}

/** Renews the lease from now on, until it is ended. */
export function renew({ uploads }: LeaseDeps, batchId: string): { end(): void } {
  const timer = setInterval(() => void uploads.renewLease(batchId, UPLOAD_LEASE_MS).catch(() => undefined), UPLOAD_LEASE_MS / 3)
  return { end: () => clearInterval(timer) }
}

/** Renews the lease while `action` runs, however long that takes. */
export async function renewing<T>(deps: LeaseDeps, batchId: string, action: () => Promise<T>): Promise<T> {
  const renewal = renew(deps, batchId)
  try {
    return await action()
  } finally {
    renewal.end()
  }
}
