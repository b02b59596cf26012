// The parser of a multipart body, with its limits: nothing of a part passes unseen, and no header is read without a bound.
import type { Readable, Writable } from 'node:stream'
import { MIMEType } from 'node:util'
import { Dicer } from '@fastify/busboy'
import { CalotypeError } from '../errors.ts'
import { headerBytes, readPartHeader, type RawHeader } from './part-header.ts'

/** A name that is kept takes an eighth of it. */
export const MAX_PART_HEADER_BYTES = 8 * 1024
// Of a longer header so much more is looked at, which tells that it is longer.
const HEADER_ROOM_BYTES = 1024
// RFC 2046, 5.1.1. The parser takes 252.
const MAX_BOUNDARY_BYTES = 70
// Of the value of a field; no field that is read needs more.
const MAX_FIELD_CHARACTERS = 1024

export interface NewPart {
  /** Name of its form field. */
  field: string | undefined
  /** As it was sent; undefined where it has none. */
  fileName: string | undefined
  /** Its header is longer than `MAX_PART_HEADER_BYTES`: what it says may be cut off. */
  isHeaderTooLong: boolean
}

export interface PartEvents {
  /** The bytes of a file. They have to be read to their end; while they are not, nothing more of the body is taken. */
  onFile(part: NewPart, bytes: Readable): void
  /** The value of another field, or its first 1,024 characters; before whatever comes after it in the body. */
  onField(name: string | undefined, value: string): void
  onTooManyFiles(): void
  onTooManyFields(): void
  /** The body is not well formed, or cut off. A part that does not say what it is counts as that: nobody asks for it who could be told. */
  onMalformed(error: Error): void
  /** All parts were read to their ends. */
  onEnd(): void
}

/** Throws `not_multipart` for a content type without a usable boundary. The body is to be written into what is returned. */
export function openPartParser(contentType: string, limits: { maxFiles: number; maxFields: number }, events: PartEvents): Writable {
  const options = { boundary: boundaryOf(contentType), maxHeaderSize: MAX_PART_HEADER_BYTES + HEADER_ROOM_BYTES }
  const parser = new Dicer(options)
  let [files, fields] = [0, 0]
  /** A part has begun, and its header was not read yet. */
  let isHeaderDue = false
  let endField: () => void = () => undefined

  const expectHeader = (isPart: boolean) => {
    if (isHeaderDue) events.onMalformed(new Error('A part has no header that can be read.'))
    isHeaderDue = isPart
  }

  function begin(part: Readable, raw: RawHeader): void {
    const header = readPartHeader(raw)
    if (header === null) return events.onMalformed(new Error('A part does not say that it is form-data.'))
    isHeaderDue = false
    const { field, fileName, isFile } = header
    if (!isFile) {
      if (fields++ === limits.maxFields) return events.onTooManyFields()
      endField = readField(part, (value) => events.onField(field, value))
      return
    }
    if (files++ === limits.maxFiles) return events.onTooManyFiles()
    events.onFile({ field, fileName, isHeaderTooLong: headerBytes(raw) > MAX_PART_HEADER_BYTES }, part)
  }

  parser.on('part', (part: Readable) => {
    // It is whole by now, and its own end may come after the header of this one.
    endField()
    expectHeader(true)
    part.on('error', events.onMalformed)
    part.on('header', (header: RawHeader) => begin(part, header))
  })
  parser.on('error', events.onMalformed)
  parser.on('finish', () => {
    expectHeader(false)
    events.onEnd()
  })
  return parser
}

function boundaryOf(contentType: string): string {
  try {
    const boundary = new MIMEType(contentType).params.get('boundary')
    if (boundary && Buffer.byteLength(boundary) <= MAX_BOUNDARY_BYTES) return boundary
  } catch {
    // Not a media type at all: answered like one without a boundary.
  }
  throw new CalotypeError(
    'not_multipart',
    `Send the file as multipart/form-data with a boundary of at most ${MAX_BOUNDARY_BYTES} characters.`,
  )
}

/** Returns the function that ends the field early, with all that has come of it. */
function readField(part: Readable, onValue: (value: string) => void): () => void {
  let bytes = ''
  let isOver = false
  part.on('data', (chunk: Buffer) => {
    if (bytes.length < MAX_FIELD_CHARACTERS) bytes += chunk.toString('latin1', 0, MAX_FIELD_CHARACTERS - bytes.length)
  })
  const end = () => {
    if (isOver) return
    // What is read is told as data.
    while (part.read() !== null);
    isOver = true
    onValue(Buffer.from(bytes, 'latin1').toString('utf8'))
  }
  part.on('end', end)
  return end
}
