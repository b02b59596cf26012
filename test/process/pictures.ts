// Pictures for the tests of the process step: made by sharp, or byte by byte where sharp would not.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import type { Format } from '../../src/image.ts'
import type { ImageTask } from '../../src/process/image-processor.ts'
import { operationsOf, RECIPE } from '../../src/rendition/presets.ts'

/** A folder of its own for a test file; `task` puts a picture into it and names fresh places for its outputs. */
export async function createDarkroom() {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-process-'))
  let last = 0
  return {
    folder,
    /** By default, all that an upload becomes. */
    async task(bytes: Uint8Array, format: Format, operations = operationsOf(RECIPE, format)): Promise<ImageTask> {
      const path = join(folder, String(++last))
      await writeFile(path, bytes)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      return { sha256, format, originalPath: path, outputs: operations.map((operation) => ({ operation, path: `${path}-${operation}` })) }
    },
    remove: () => rm(folder, { recursive: true }),
  }
}

/** Where the outputs of a task are written: the image and then the thumbnail, where the task names nothing else. */
export const pathsOf = ({ outputs }: ImageTask) => outputs.map(({ path }) => path) as [string, string, ...string[]]

/** Whether anything is at one of the paths. */
export const hasOutputs = (task: ImageTask) => pathsOf(task).some((path) => existsSync(path))

/** Noise over a blur: costs a decoder and an encoder about what a photograph does. */
export function photo(width: number, height: number): Sharp {
  const cells = Buffer.from(Array.from({ length: 24 * 16 * 3 }, (_, i) => (i * 7919 + ((i * i) % 251)) % 256))
  return sharp(cells, { raw: { width: 24, height: 16, channels: 3 } }).resize(width, height, { fit: 'fill' })
}

export const encoded = (picture: Sharp, format: Format) => picture.toFormat(format, { effort: 1 }).toBuffer()

/** `frames` squares of different greys, side by side in time. */
export function animation(format: 'gif' | 'webp', frames: number, delaysMs: number[], loop: number, side = 40): Promise<Buffer> {
  const raw = Buffer.concat(Array.from({ length: frames }, (_, i) => Buffer.alloc(side * side * 3, (i * 37) % 256)))
  const options = { raw: { width: side, height: side * frames, channels: 3, pageHeight: side } } as const
  return sharp(raw, options).toFormat(format, { delay: delaysMs, loop, effort: 1 }).toBuffer()
}

/** A PNG whose header claims what it likes, with `data` for pixels; without, it ends where they would begin, after 41 bytes. */
export function png(width: number, height: number, bitDepth: number, data?: Uint8Array): Buffer {
  const chunk = (type: string, body: Uint8Array) => {
    const typed = Buffer.concat([Buffer.from(type, 'latin1'), body])
    const framed = Buffer.alloc(typed.length + 8)
    framed.writeUInt32BE(body.length, 0)
    typed.copy(framed, 4)
    framed.writeUInt32BE(crc32(typed), typed.length + 4)
    return framed
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([bitDepth, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  const parts = [signature, chunk('IHDR', header)]
  if (!data) parts.push(Buffer.from('00000020' + '49444154', 'hex'))
  else parts.push(chunk('IDAT', deflateSync(data)), chunk('IEND', Buffer.alloc(0)))
  return Buffer.concat(parts)
}

/** A GIF of 1×1 frames, 22 bytes each. */
export function gifOfFrames(frames: number): Buffer {
  const header = Buffer.from('474946383961' + '0100' + '0100' + '800000' + '000000ffffff', 'hex')
  const frame = Buffer.from('21f904000a000000' + '2c00000000' + '01000100' + '00' + '0202440100', 'hex')
  return Buffer.concat([header, ...Array<Buffer>(frames).fill(frame), Buffer.of(0x3b)])
}
