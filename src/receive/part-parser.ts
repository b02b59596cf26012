// The parser of a multipart body, with its limits: nothing of a part passes unseen, and no header is read without a bound.
import type { EventEmitter } from 'node:events'
import { Busboy, type BusboyHeaders } from '@fastify/busboy'
import { CalotypeError } from '../errors.ts'

/** A name that is kept takes an eighth of it. */
export const MAX_PART_HEADER_BYTES = 8 * 1024
// Of a longer header so much more is looked at, which tells that it is longer.
const HEADER_ROOM_BYTES = 1024
const MAX_FIELD_BYTES = 64 * 1024

/** What busboy keeps to itself: its part parser, which tells of every part, and each part of its header. */
type Parts = { _parser: { parser: EventEmitter } }

const headerBytes = (header: Record<string, string[]>) =>
  Object.entries(header).reduce((sum, [name, values]) => sum + values.reduce((own, value) => own + name.length + value.length + 4, 0), 0)

interface ParserOptions {
  headers: BusboyHeaders
  maxFiles: number
  maxFields: number
  onMalformed: (error: Error) => void
  onHeader: (bytes: number) => void
}

/**
 * A part whose header can't be read, or has no `form-data`, is passed over by busboy without a word: `onMalformed` is called for it, at
 * the next part or at the end. Nobody asks for it who could be told, so it makes the body malformed. `onHeader` is called with the bytes
 * of each header before its file is announced.
 */
export function openParser({ headers, maxFiles, maxFields, onMalformed, onHeader }: ParserOptions) {
  let [begun, understood] = [0, 0]
  const check = () => {
    if (begun !== understood) onMalformed(new Error('A part has no header that can be read.'))
  }
  try {
    const parser = new Busboy({
      headers,
      preservePath: true,
      limits: { files: maxFiles, fields: maxFields, fieldSize: MAX_FIELD_BYTES, headerSize: MAX_PART_HEADER_BYTES + HEADER_ROOM_BYTES },
      isPartAFile(_field, contentType, fileName) {
        understood++
        return contentType === 'application/octet-stream' || fileName !== undefined
      },
    })
    const parts = (parser as unknown as Parts)._parser.parser
    parts.on('part', (part: EventEmitter) => {
      check()
      begun++
      part.prependListener('header', (header: Record<string, string[]>) => onHeader(headerBytes(header)))
    })
    return parser.on('finish', check)
  } catch (error) {
    throw new CalotypeError('not_multipart', 'Send the file as multipart/form-data with a boundary.', { cause: error })
  }
}
