// Receives a multipart body as a stream: files come out one by one, whole and on their way to the disk, while the rest still arrives.
import type { Readable } from 'node:stream'
import { CalotypeError, toCalotypeError } from '../errors.ts'
import { cutName, jsonBytes, maxNamesBytes } from '../file-name.ts'
import { IncomingFile, toReceiveError, type ReceivedFile, type RefusedFile } from './incoming-file.ts'
import { MAX_PART_HEADER_BYTES, openPartParser, type NewPart } from './part-parser.ts'

export type { ReceivedFile, RefusedFile }

export interface Allowance {
  bytes: number
  images: number
  exceeded: () => CalotypeError
}

export interface ReceiveOptions {
  /** The form field that carries files. */
  field: string
  /** The form field before each file that says its place in a declaration; without it, no other field is looked at. */
  indexField?: string
  maxFileBytes: number
  maxFiles: number
  /** What who sends it may still send today: beyond, the body is given up with `exceeded`. Refused files don't count. */
  allowance?: Allowance
  /** Milliseconds without a byte until the body is given up. */
  idleTimeoutMs: number
  /** A new path for a file that is about to arrive; and the end of one that came to nothing. Of the blob store. */
  stage: () => string
  discard: (path: string) => Promise<void>
  /** Called with the size of each chunk of the body, in bytes. */
  onBytes?: ((bytes: number) => void) | undefined
}

const MAX_FIELDS = 1_000
// Of the name of a field, in a sentence.
const MAX_SHOWN_FIELD_LENGTH = 100
// Files being synced, or waiting to be taken, for one body: beyond, the body waits.
const MAX_FILES_IN_HAND = 32

/** Browsers write `"`, CR and LF in a file name as %22, %0D and %0A (https://html.spec.whatwg.org/#multipart-form-data). */
const unescapeName = (name: string) => name.replace(/%22|%0D|%0A/gi, decodeURIComponent)

const HEADER_TOO_LONG = `The header of this file is longer than ${MAX_PART_HEADER_BYTES} bytes. Send it with a shorter name.`

const shownField = (name: string) => (name.length > MAX_SHOWN_FIELD_LENGTH ? `${name.slice(0, MAX_SHOWN_FIELD_LENGTH)}…` : name)

const tooManyFiles = (maxFiles: number) =>
  maxFiles === 1
    ? new CalotypeError('one_file_only')
    : new CalotypeError('too_many_files', `One request takes ${maxFiles} files (MAX_FILES). Send the rest in further requests.`)

/** What says no place says none; whether there is such a place, the declaration knows. */
const indexOf = (text: string) => (/^\d{1,9}$/.test(text) ? Number(text) : null)

/**
 * Yields each file in `field` as soon as it is whole, or as soon as it is refused, in no certain order (they carry their index).
 * Throws when the body is malformed, cut off, idle for too long or has too many files or fields: then nothing of it counts, and
 * what was not yet yielded is discarded. Memory is bounded by the constants above and those of buffer-pool.ts, whatever is sent.
 */
export async function* receiveFiles(
  body: Readable,
  contentType: string,
  { field, indexField, maxFileBytes, maxFiles, allowance, idleTimeoutMs, stage, discard, onBytes }: ReceiveOptions,
): AsyncGenerator<ReceivedFile | RefusedFile> {
  const open = new Set<IncomingFile>()
  const ready: (ReceivedFile | RefusedFile)[] = []
  /** Whole, and not on the disk yet; some of them are taken already. */
  const syncing = new Set<ReceivedFile>()
  let failure: CalotypeError | null = null
  let [isBodyOver, areAllPartsRead] = [false, false]
  let nextIndex = 0
  let declaredIndex: number | null = null
  let wake: () => void = () => {}
  /** Ends the wait for the parser, so that the body is free to be read to its end by who answers. */
  let letGo: () => void = () => {}
  let changed = new Promise<void>((resolve) => (wake = resolve))

  const change = () => {
    wake()
    changed = new Promise<void>((resolve) => (wake = resolve))
  }
  const fail = (error: unknown) => {
    failure ??= toReceiveError(error)
    letGo()
    change()
  }

  let left = { bytes: allowance?.bytes ?? Infinity, images: allowance?.images ?? Infinity }
  const spend = (bytes: number, images: number) => {
    left = { bytes: left.bytes - bytes, images: left.images - images }
    if (allowance && (left.bytes < 0 || left.images < 0)) fail(allowance.exceeded())
  }

  let namesBytes = 0
  const nameOf = (fileName: string | undefined) => {
    const name = cutName(unescapeName(fileName ?? ''))
    namesBytes += jsonBytes(name)
    if (namesBytes > maxNamesBytes(maxFiles)) fail(new CalotypeError('names_too_long'))
    return name
  }

  async function settle(file: IncomingFile) {
    try {
      const outcome = await file.finish()
      if (outcome.outcome === 'refused') await discard(file.path)
      open.delete(file)
      ready.push(outcome)
      if (outcome.outcome === 'received') syncing.add(outcome)
      change()
      if (outcome.outcome === 'refused') return
      await outcome.synced.catch(() => undefined)
      syncing.delete(outcome)
      change()
    } catch (error) {
      fail(error)
    }
  }

  function onFile({ field: fieldName, fileName, isHeaderTooLong }: NewPart, bytes: Readable) {
    const name = nameOf(fileName)
    const file = new IncomingFile({ index: nextIndex++, declaredIndex }, name, stage(), maxFileBytes)
    declaredIndex = null
    if (isHeaderTooLong) file.refuse('names_too_long', HEADER_TOO_LONG)
    else if (fieldName !== field) file.refuse('wrong_field', `Send files in the field "${field}", not in "${shownField(fieldName ?? '')}".`)
    open.add(file)
    let spent = 0
    bytes.on('data', (chunk: Buffer) => {
      file.write(chunk)
      if (!file.isRefused) {
        spent += chunk.length
        spend(chunk.length, 0)
      }
      if (!file.mustWait) return
      bytes.pause()
      // What the disk refuses is not the fault of the body.
      file.written().then(
        () => bytes.resume(),
        (error: unknown) => fail(toCalotypeError(error)),
      )
    })
    bytes.on('end', () => {
      // A file input that nobody filled in sends an empty file with no name.
      if (name === '' && file.size === 0) {
        open.delete(file)
        nextIndex--
        return
      }
      if (file.isRefused) spend(-spent, 0)
      else spend(0, 1)
      void settle(file)
    })
  }

  const maxFields = MAX_FIELDS + (indexField === undefined ? 0 : maxFiles)
  const parser = openPartParser(
    contentType,
    { maxFiles, maxFields },
    {
      onFile,
      onField(name, value) {
        if (name === indexField) declaredIndex = indexOf(value)
      },
      onTooManyFiles: () => fail(tooManyFiles(maxFiles)),
      onTooManyFields: () => fail(new CalotypeError('too_many_fields')),
      onMalformed: fail,
      onEnd() {
        areAllPartsRead = true
        letGo()
        change()
      },
    },
  )

  const idle = setTimeout(() => fail(new CalotypeError('upload_timeout')), idleTimeoutMs)

  async function pump() {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      idle.refresh()
      onBytes?.((chunk as Buffer).length)
      if (failure) return
      // What comes behind the last part is nobody's (RFC 2046, 5.1.1).
      if (areAllPartsRead) continue
      await new Promise<void>((resolve) => {
        parser.write(chunk as Buffer, () => resolve())
        // A parser that failed or is done, or that waits for a file which is not written any more, calls back no more.
        letGo = resolve
        if (failure) resolve()
      })
      while (open.size + ready.length + syncing.size > MAX_FILES_IN_HAND && !failure) await changed
      if (failure) return
    }
    parser.end()
    isBodyOver = true
    change()
  }

  try {
    pump().catch(fail)
    for (;;) {
      const next = ready.shift()
      if (next) {
        change()
        yield next
      } else if (failure) {
        throw failure as CalotypeError
      } else if (isBodyOver && areAllPartsRead && open.size === 0) {
        return
      } else {
        await changed
      }
    }
  } finally {
    // Wherever the pump waits, it ends: the body is to be read to its end by who answers.
    fail(new CalotypeError('malformed_multipart'))
    clearTimeout(idle)
    for (const file of open) await file.abandon().then(() => discard(file.path))
    for (const file of ready) {
      if (file.outcome === 'refused') continue
      await file.synced.catch(() => undefined)
      await discard(file.path)
    }
    // Its last words, about a body that nobody parses any more, concern no one.
    parser.on('error', () => undefined)
    parser.destroy()
  }
}
