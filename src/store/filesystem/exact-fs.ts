// File reads of a range that is there whole, or an error: an answer over HTTP has said by then how long it is.
import { close, open, read } from 'node:fs'
import { CalotypeError } from '../../errors.ts'

type Done = (error: Error | null, bytes: number, buffer: Buffer) => void

function readOrFail(fd: number, buffer: Buffer, offset: number, length: number, position: number | null, done: Done): void {
  read(fd, buffer, offset, length, position, (error, bytes, into) => {
    // Who reads a range asks for no byte behind its end: where nothing comes, the file ended before it.
    const failure = error ?? (bytes === 0 ? new CalotypeError('internal', 'A file of the store is shorter than it was.') : null)
    done(failure, bytes, into)
  })
}

/** For `createReadStream` with `start` and `end`, as its `fs`. */
export const exactFs = { open, close, read: readOrFail as typeof read }
