// In a worker: looks at the first bytes of files, and hashes them without ever having a large one in memory.
import { createSHA256 } from 'hash-wasm'
import { isImage, SIGNATURE_BYTES } from './signature.ts'

export interface Job {
  id: number
  task: 'look' | 'hash'
  files: File[]
}

/** Of each file: whether it is an image (`look`) or its SHA-256 in hex (`hash`); null for one that can't be read. */
export interface JobDone {
  id: number
  results: (boolean | string | null)[]
}

/** Up to here, a file is read in one piece: a stream costs more than it saves. */
const ONE_PIECE_BYTES = 1_000_000

const hasher = createSHA256()

async function look(file: File): Promise<boolean> {
  return isImage(new Uint8Array(await file.slice(0, SIGNATURE_BYTES).arrayBuffer()))
}

async function hash(file: File): Promise<string> {
  const sha256 = (await hasher).init()
  if (file.size <= ONE_PIECE_BYTES) return sha256.update(new Uint8Array(await file.arrayBuffer())).digest('hex')
  const reader = file.stream().getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return sha256.digest('hex')
    sha256.update(value)
  }
}

self.onmessage = async ({ data }: MessageEvent<Job>) => {
  const { id, task, files } = data
  const work = task === 'look' ? look : hash
  const results: JobDone['results'] = []
  for (const file of files) results.push(await work(file).catch(() => null))
  self.postMessage({ id, results } satisfies JobDone)
}
