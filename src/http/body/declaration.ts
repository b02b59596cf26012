// The body of a declaration: read as it comes, judged file by file, and given up at the first thing that is wrong.
import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { fileToDeclare, MAX_DECLARED, type ApiFileToDeclare } from '../../api/batches.ts'
import { schemaOf } from '../../api/list-of.ts'
import { CalotypeError } from '../../errors.ts'
import { isNameTooLong, jsonBytes, MAX_NAME_BYTES, maxNamesBytes } from '../../file-name.ts'
import type { FileGiven } from '../../flow/batches/declare-batch.ts'
import { ListSplitter } from './list-splitter.ts'

export const MAX_DECLARATION_BYTES = 16 * 1024 * 1024
// A name as long as may be, written in escapes, and room for what else a program may say of its files.
const MAX_FILE_BYTES = 16 * 1024
// An object with a list of objects; the rest is for what a program may say besides.
const MAX_DEPTH = 16

const file = fileToDeclare.extend({
  name: fileToDeclare.shape.name
    .refine((name) => !isNameTooLong(name), `expected at most ${MAX_NAME_BYTES} bytes of UTF-8`)
    .meta({ maxLength: MAX_NAME_BYTES, description: `At most ${MAX_NAME_BYTES} bytes of UTF-8` }),
})

export interface Declaration {
  files: FileGiven[]
}

/** For the API description: what it says is checked by `readDeclaration`, before a schema could be asked. */
export const declaration = z
  .custom<{ files: ApiFileToDeclare[] }>()
  .refine((read: unknown) => read !== undefined && read !== null, 'expected an object with "files"')
  .meta({
    type: 'object',
    required: ['files'],
    get properties() {
      return { files: { type: 'array', minItems: 1, maxItems: MAX_DECLARED, items: schemaOf(file) } }
    },
  })
  .transform((read: unknown) => read as Declaration)

const bad = (sentence: string) => new CalotypeError('bad_request', sentence)
const tooLarge = () => new CalotypeError('file_too_large', 'The body is larger than this address takes.')

/** Takes files one by one; throws at the first that is not as it must be. */
function createFiles() {
  const files: FileGiven[] = []
  let namesBytes = 0
  return {
    files,
    add(value: unknown, index: number): void {
      if (index >= MAX_DECLARED) {
        throw new CalotypeError('too_many_files', `One batch takes ${MAX_DECLARED} files. Declare the rest in further batches.`)
      }
      const parsed = file.safeParse(value)
      if (!parsed.success) {
        const { path, message } = parsed.error.issues[0]!
        throw bad(`"${['files', index, ...path].join('/')}" in the body is not valid: ${message}.`)
      }
      const { name, size, sha256 = null } = parsed.data
      namesBytes += jsonBytes(name)
      if (namesBytes > maxNamesBytes(MAX_DECLARED)) throw new CalotypeError('names_too_long')
      files.push({ name, size, sha256 })
    },
  }
}

/**
 * Resolves with the files, or rejects as soon as it is known why not: `bad_request`, `too_many_files`, `names_too_long`, `file_too_large`, or
 * the reason of `signal`. Memory is that of the files; no piece of the body takes longer than `JSON.parse` would take for it.
 */
export async function readDeclaration(body: IncomingMessage, signal?: AbortSignal): Promise<Declaration> {
  const list = createFiles()
  const splitter = new ListSplitter({
    member: 'files',
    maxElementBytes: MAX_FILE_BYTES,
    maxDepth: MAX_DEPTH,
    onElement: list.add,
    refuse: bad,
  })
  await readPieces(body, (piece) => splitter.write(piece), signal)
  const read = splitter.end()
  if (typeof read !== 'object' || read === null || Array.isArray(read)) throw bad('The body is not valid: expected an object with "files".')
  const { files } = read as { files?: unknown }
  if (!Array.isArray(files)) throw bad('"files" in the body is not valid: expected an array of files.')
  // Of a member that was not recognised, and so is as short as the rest.
  for (const [index, file] of files.entries()) list.add(file, index)
  if (list.files.length === 0) throw bad('"files" in the body is not valid: expected at least one file.')
  return { files: list.files }
}

/** Whoever answers may read the body to its end afterwards: it is not destroyed. */
function readPieces(body: IncomingMessage, onPiece: (piece: Buffer) => void, signal?: AbortSignal): Promise<void> {
  if (Number(body.headers['content-length'] ?? 0) > MAX_DECLARATION_BYTES) return Promise.reject(tooLarge())
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let bytes = 0
  const take = (piece: Buffer) => {
    bytes += piece.length
    try {
      if (bytes > MAX_DECLARATION_BYTES) throw tooLarge()
      onPiece(piece)
    } catch (error) {
      reject(error)
    }
  }
  const cutOff = () => reject(bad('The body was cut off.'))
  const abort = () => reject(signal?.reason as Error)
  if (signal?.aborted) return Promise.reject(signal.reason as Error)
  signal?.addEventListener('abort', abort)
  body.on('data', take).once('end', resolve).once('error', reject).once('close', cutOff)
  return promise.finally(() => {
    body.pause()
    signal?.removeEventListener('abort', abort)
    body.off('data', take).off('end', resolve).off('error', reject).off('close', cutOff)
  })
}
