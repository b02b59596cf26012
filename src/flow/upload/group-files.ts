// Groups the files of one upload as they arrive, so that each group shares its transactions while the rest of the body comes.
import type { ReceivedFile, RefusedFile } from '../../receive/receive-files.ts'

// A group that is not full goes when its first file has waited so long, so that development starts while a slow body still arrives.
const GROUP_FILES = 32
const GROUP_AGE_MS = 250

export type GroupFile = ReceivedFile | RefusedFile

/** The files of one upload, as they arrive. */
export type IncomingFiles = AsyncIterable<GroupFile>

export interface FileGroup {
  files: GroupFile[]
  /** The body came to its end with these files. The last group may be empty. */
  isLast: boolean
  /** Why the body could not be read any further: then this group is the last. */
  failure?: unknown
}

/** Those that arrived whole and were not refused. */
export const acceptedFiles = (files: GroupFile[]): ReceivedFile[] => files.filter((file) => file.outcome === 'received')

type Next = { result: IteratorResult<GroupFile> } | { failure: unknown }

/**
 * Yields groups until one is last or has a failure. The files of a group belong to whoever takes it; `discard` gets those that were
 * on their way when the groups are given up.
 */
export async function* groupFiles(files: IncomingFiles, discard: (files: GroupFile[]) => Promise<void>): AsyncGenerator<FileGroup> {
  const incoming = files[Symbol.asyncIterator]()
  // It may fail long before it is awaited.
  const ask = (): Promise<Next> =>
    incoming.next().then(
      (result) => ({ result }),
      (failure: unknown) => ({ failure }),
    )
  let next = ask()
  let isOver = false
  try {
    while (!isOver) {
      const group: FileGroup = { files: [], isLast: false }
      const { promise: isOld, resolve } = Promise.withResolvers<'old'>()
      let age: NodeJS.Timeout | undefined
      while (group.files.length < GROUP_FILES) {
        const came = await (age === undefined ? next : Promise.race([next, isOld]))
        if (came === 'old') break
        isOver = 'failure' in came || came.result.done === true
        if ('failure' in came) group.failure = came.failure
        else if (came.result.done) group.isLast = true
        else group.files.push(came.result.value)
        if (isOver) break
        age ??= setTimeout(resolve, GROUP_AGE_MS, 'old')
        next = ask()
      }
      clearTimeout(age)
      yield group
    }
  } finally {
    if (!isOver) {
      // First what is on its way, as a generator answers one after the other.
      const [came] = await Promise.all([next, incoming.return?.()])
      if ('result' in came && !came.result.done) await discard([came.result.value])
    }
  }
}
