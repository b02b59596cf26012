// One file while it arrives: counted, limited, hashed and recognised in one pass, and written aside.
import { createHash } from 'node:crypto'
import fs, { closeSync } from 'node:fs'
import { promisify } from 'node:util'
import { ERRORS, type ErrorCode } from '../error-codes.ts'
import { CalotypeError, toCalotypeError } from '../errors.ts'
import { failpoint } from '../failpoints.ts'
import type { Format } from '../image.ts'
import { formatOf, SIGNATURE_BYTES } from './signature.ts'
import { givePieceBack, isTooMuchHeld, PIECE_BYTES, takeFirstPiece, takeLargerPiece } from './buffer-pool.ts'
import { tooLarge } from './too-large.ts'

/** A file that is whole; what lies at `path` belongs to whoever gets this, once `synced` has settled. */
export interface ReceivedFile {
  outcome: 'received'
  /** Its place in what was sent, from 0, refused files counted. */
  index: number
  /** Its place in a declaration, as the field before it says; null without one. */
  declaredIndex: number | null
  name: string
  path: string
  size: number
  sha256: string
  format: Format
  /** Resolves when the bytes at `path` are durable; rejects when the disk fails. */
  synced: Promise<void>
}

export interface RefusedFile {
  outcome: 'refused'
  index: number
  declaredIndex: number | null
  name: string
  code: ErrorCode
  error: string
}

// By number, not by FileHandle: the close of a synced file waits for nothing, and a trip to the file threads and back costs more than all of it.
const [open, write, fsync] = [promisify(fs.open), promisify(fs.write), promisify(fs.fsync)]

// Of one file.
const MAX_HELD_BYTES = 1024 * 1024

export class IncomingFile {
  readonly index: number
  readonly declaredIndex: number | null
  readonly name: string
  readonly #path: string
  readonly #maxBytes: number
  readonly #hash = createHash('sha256')
  #size = 0
  #format: Format | null = null
  #refusal: { code: ErrorCode; error: string } | null = null
  #head: Buffer = Buffer.alloc(0)
  /** What is not yet on its way to the disk, in the first bytes of a piece. */
  #pending: Buffer | null = null
  #pendingBytes = 0
  #writingBytes = 0
  #descriptor: number | null = null
  #written: Promise<void> = Promise.resolve()

  constructor({ index, declaredIndex }: Pick<ReceivedFile, 'index' | 'declaredIndex'>, name: string, path: string, maxBytes: number) {
    this.index = index
    this.declaredIndex = declaredIndex
    this.name = name
    this.#path = path
    this.#maxBytes = maxBytes
  }

  /** More is to be taken only once what was taken is `written`. */
  get mustWait(): boolean {
    return this.#pendingBytes + this.#writingBytes > (isTooMuchHeld() ? 0 : MAX_HELD_BYTES)
  }

  get isRefused(): boolean {
    return this.#refusal !== null
  }

  get size(): number {
    return this.#size
  }

  /** Takes the next bytes; those of a refused file are dropped. */
  write(chunk: Buffer): void {
    this.#size += chunk.length
    if (this.#refusal) return
    if (this.#size > this.#maxBytes) {
      const { code, error } = tooLarge(this.#maxBytes)
      return this.refuse(code, error)
    }
    if (!this.#format) {
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, SIGNATURE_BYTES - this.#head.length)])
      if (this.#head.length === SIGNATURE_BYTES) this.#recognise()
      if (this.isRefused) return
    }
    this.#hash.update(chunk)
    this.#gather(chunk)
    if (isTooMuchHeld()) this.#flush()
  }

  /**
   * Copied: a chunk that waited for the disk, with those of all other bodies that arrive, would be looked at by the garbage collector again
   * and again, which costs ten times the copy.
   */
  #gather(chunk: Buffer) {
    for (let at = 0; at < chunk.length;) {
      this.#pending ??= takeFirstPiece()
      if (this.#pendingBytes === this.#pending.length) this.#pending = takeLargerPiece(this.#pending)
      const bytes = chunk.copy(this.#pending, this.#pendingBytes, at)
      this.#pendingBytes += bytes
      at += bytes
      if (this.#pendingBytes === PIECE_BYTES) this.#flush()
    }
  }

  refuse(code: ErrorCode, error: string = ERRORS[code]): void {
    this.#refusal ??= { code, error }
    if (this.#pending) givePieceBack(this.#pending)
    this.#pending = null
    this.#pendingBytes = 0
  }

  #recognise() {
    this.#format = formatOf(this.#head)
    if (!this.#format) this.refuse('unsupported_format')
  }

  #flush() {
    const [piece, bytes] = [this.#pending, this.#pendingBytes]
    if (!piece) return
    this.#pending = null
    this.#pendingBytes = 0
    this.#writingBytes += bytes
    this.#written = this.#written.then(async () => {
      this.#descriptor ??= await open(this.#path, 'wx')
      failpoint('file-opened')
      for (let at = 0; at < bytes;) at += (await write(this.#descriptor, piece, at, bytes - at)).bytesWritten
    })
    // A failure is heard at `finish` or `abandon`, and must not count as unhandled until then.
    void this.#written
      .catch(() => undefined)
      .then(() => {
        this.#writingBytes -= bytes
        givePieceBack(piece)
      })
  }

  /** Resolves once all that was taken so far is with the system. */
  written(): Promise<void> {
    return this.#written
  }

  /** The last byte is in: says what came, or why it was refused. */
  async finish(): Promise<ReceivedFile | RefusedFile> {
    if (this.#size === 0) this.refuse('empty_file')
    else if (!this.#format && !this.#refusal) this.#recognise()
    const { index, declaredIndex, name } = this
    if (this.#refusal) {
      await this.abandon()
      return { outcome: 'refused', index, declaredIndex, name, ...this.#refusal }
    }
    this.#flush()
    const [sha256, format, synced] = [this.#hash.digest('hex'), this.#format!, this.#sync()]
    // A failure is heard by whoever stores the file, and must not count as unhandled until then.
    synced.catch(() => undefined)
    return { outcome: 'received', index, declaredIndex, name, path: this.#path, size: this.#size, sha256, format, synced }
  }

  async #sync(): Promise<void> {
    try {
      await this.#written
      failpoint('file-written')
      await fsync(this.#descriptor!)
      failpoint('file-synced')
      this.#close()
    } catch (error) {
      throw toCalotypeError(error)
    }
  }

  /** Stops writing; what lies at its path is for the caller to discard. Never rejects. */
  async abandon(): Promise<void> {
    this.refuse('malformed_multipart')
    await this.#written.catch(() => undefined)
    try {
      this.#close()
    } catch {
      // Nobody wants what it held.
    }
  }

  #close() {
    const descriptor = this.#descriptor
    this.#descriptor = null
    if (descriptor !== null) closeSync(descriptor)
  }

  get path(): string {
    return this.#path
  }
}

/** Turns an error of the parser or of the connection into one with a code. */
export const toReceiveError = (error: unknown) =>
  error instanceof CalotypeError ? error : new CalotypeError('malformed_multipart', undefined, { cause: error })
