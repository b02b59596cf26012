// The folders of the blob store on their way to the disk: a name in one survives a power cut once the folder is synced after it.
import fs, { closeSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'

const fsync = promisify(fs.fsync)

/**
 * Syncs folders below `root`, and holds them open: to open and close one each time costs twice what the sync does. Whoever asks while
 * one sync runs shares the next, which begins after their rename.
 */
export function createFolders(root: string) {
  const descriptors = new Map<string, number>()
  const running = new Map<string, { next: Promise<void> | null; current: Promise<void> }>()

  async function run(folder: string) {
    // Renames that end in the same turn of the loop share the sync.
    await nextTurn()
    try {
      await fsync(descriptors.get(folder) ?? (await hold(folder)))
    } finally {
      if (!running.get(folder)?.next) running.delete(folder)
    }
  }

  /** Whoever made it, and when: its own entry may not be on the disk yet. */
  async function hold(folder: string): Promise<number> {
    if (folder !== root) await syncShared(dirname(folder))
    const descriptor = openSync(folder, 'r')
    descriptors.set(folder, descriptor)
    return descriptor
  }

  function syncShared(folder: string): Promise<void> {
    const state = running.get(folder)
    if (!state) {
      const current = run(folder)
      running.set(folder, { current, next: null })
      return current
    }
    state.next ??= state.current
      .catch(() => undefined)
      .then(() => {
        const current = run(folder)
        running.set(folder, { current, next: null })
        return current
      })
    return state.next
  }

  return {
    sync: syncShared,
    /** After `folder` was made: one of its name that was held may have been removed. */
    forget(folder: string) {
      const descriptor = descriptors.get(folder)
      if (descriptor === undefined) return
      descriptors.delete(folder)
      const close = () => closeSync(descriptor)
      // A sync that runs holds its number, which another file may get once it is closed.
      void (running.get(folder)?.current ?? Promise.resolve()).then(close, close)
    },
    close() {
      for (const descriptor of descriptors.values()) closeSync(descriptor)
    },
  }
}
