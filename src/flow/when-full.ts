// What becomes of the rows when the disk is full: what frees room may use the reserve, and what takes room is refused until there is one again.
import { toCalotypeError } from '../errors.ts'
import type { Records } from '../record/records.ts'
import type { DiskReserve } from '../store/disk-reserve.ts'

/** Does it; on a full disk once more, with the room of the reserve. */
export async function withReserve<T>(reserve: Pick<DiskReserve, 'giveUp'>, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (toCalotypeError(error).code !== 'storage_full' || !reserve.giveUp()) throw error
    return action()
  }
}

/** Deleting and collecting may use the reserve; while it is given up, nothing is taken in, and nothing developed. */
export function recordsWhenFull({ uploads, work, images, batches, originals, ...others }: Records, reserve: DiskReserve): Records {
  const freeing =
    <Given extends unknown[], T>(method: (...given: Given) => Promise<T>) =>
    (...given: Given) =>
      withReserve(reserve, () => method(...given))
  const taking =
    <Given extends unknown[], T>(method: (...given: Given) => Promise<T>) =>
    async (...given: Given) => {
      await reserve.check()
      return method(...given)
    }
  return {
    ...others,
    uploads: { ...uploads, record: taking(uploads.record), sweepAborted: freeing(uploads.sweepAborted) },
    work: { ...work, claim: taking(work.claim) },
    images: {
      ...images,
      delete: freeing(images.delete),
      deleteMany: freeing(images.deleteMany),
      retry: taking(images.retry),
      retryMany: taking(images.retryMany),
    },
    batches: {
      ...batches,
      declare: taking(batches.declare),
      receive: taking(batches.receive),
      retry: taking(batches.retry),
      cancel: freeing(batches.cancel),
      forgetDeclared: freeing(batches.forgetDeclared),
    },
    originals: {
      ...originals,
      collectable: freeing(originals.collectable),
      keep: freeing(originals.keep),
      forget: freeing(originals.forget),
    },
  }
}

/** Every method may use the reserve: who can't sign in, or write down what was deleted, can't delete. */
export function alsoWhenFull<Store extends object>(store: Store, reserve: DiskReserve): Store {
  return new Proxy(store, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver)
      if (typeof method !== 'function') return method
      return (...given: unknown[]) => withReserve(reserve, async () => method.apply(target, given) as unknown)
    },
  })
}
