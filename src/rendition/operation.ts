// An operation: everything that decides the pixels of one output. Its text names the output in rows, and in keys of the blob store.
import { FORMATS, type Format } from '../image.ts'

export interface Operation {
  /** Pixels, at most: a picture is never enlarged. The height follows. */
  width: number
  /** Of the output. */
  format: Format
  /** 1 to 100; without it, the default of the format (`process/child/encoders.ts`). */
  quality?: number
  /** Of an animation, its first frame. */
  still?: true
  /** Which version of the pixel path makes it: see `PIPELINE`. */
  pipeline: number
}

/**
 * Version of the pixel path (decoding, colour, resizing, encoder settings). Raise it whenever the same operation would give other pixels
 * than before: new images get renditions under new names, and what was made before keeps its own.
 */
export const PIPELINE = 1

const MAX_SIDE = 16_383
const TEXT = /^w([1-9]\d{0,4})(?:-q([1-9]\d?|100))?(-still)?\.p([1-9]\d{0,3})\.([a-z]{3,4})$/

const FORMAT_OF_EXTENSION = new Map(Object.entries(FORMATS).map(([format, { extension }]) => [extension as string, format as Format]))

/** `w1500.p1.jpg`, `w320-still.p1.webp`: tokens in one order, defaults left out, so that equal operations have equal texts. */
export function operationText({ width, format, quality, still, pipeline }: Operation): string {
  const tokens = [`w${width}`, ...(quality === undefined ? [] : [`q${quality}`]), ...(still ? ['still'] : [])]
  return `${tokens.join('-')}.p${pipeline}.${FORMATS[format].extension}`
}

/** The inverse of `operationText`. Throws for anything that it does not write. */
export function parseOperation(text: string): Operation {
  const [, width, quality, still, pipeline, extension = ''] = TEXT.exec(text) ?? []
  const format = FORMAT_OF_EXTENSION.get(extension)
  if (format === undefined || Number(width) > MAX_SIDE) throw new Error(`"${text}" is not an operation`)
  return {
    width: Number(width),
    format,
    pipeline: Number(pipeline),
    ...(quality !== undefined && { quality: Number(quality) }),
    ...(still !== undefined && { still: true }),
  }
}
