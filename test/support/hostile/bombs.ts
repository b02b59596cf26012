// Files that are small for what they claim, or for what they would have a decoder read, keep and count before its first pixel.
import type { ErrorCode } from '../../../src/error-codes.ts'
import type { Format } from '../../../src/image.ts'
import { gifOfFrames, pngChunk, pngHeader, pngOfSize } from '../inputs/hostile-images.ts'
import { avif } from './avif.ts'
import { makeSeeds } from './seeds.ts'
import { webp } from './webp.ts'

export interface Bomb {
  name: string
  format: Format
  bytes: Buffer
  /** With which it must be refused. */
  code: ErrorCode
}

const repeat = (piece: Buffer, bytes: number): Buffer => Buffer.concat(Array<Buffer>(Math.ceil(bytes / piece.length)).fill(piece))

/** A segment of JPEG with so much in it. */
function segment(marker: number, length: number): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0])
  head.writeUInt16BE(length + 2, 2)
  return Buffer.concat([head, Buffer.alloc(length, 'x')])
}

/** A chunk of WebP. */
function riffChunk(type: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.write(type, 'latin1')
  head.writeUInt32LE(data.length, 4)
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)])
}

/** A box of AVIF. */
function box(type: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(data.length + 8)
  head.write(type, 4, 'latin1')
  return Buffer.concat([head, data])
}

/** Between what comes first in a file and the rest. */
const after = (file: Buffer, at: number, more: Buffer) => Buffer.concat([file.subarray(0, at), more, file.subarray(at)])

function patched(file: Buffer, patch: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(file)
  patch(copy)
  return copy
}

/** Those that are long have about `bytes` bytes. What is small is whole, with its checksums right. */
export async function makeBombs(bytes: number): Promise<Bomb[]> {
  const seeds = await makeSeeds()
  const [jpegSeed, pngSeed, animatedWebp, avifSeed] = [seeds.jpeg[0]!, seeds.png[0]!, seeds.webp.at(-1)!, seeds.avif[0]!]
  const jpegFrame = jpegSeed.indexOf(Buffer.from([0xff, 0xc0]))
  const ispe = (width: number, height: number) =>
    patched(avifSeed, (copy) => {
      const at = copy.indexOf('ispe')
      copy.writeUInt32BE(width, at + 8)
      copy.writeUInt32BE(height, at + 12)
    })
  const canvas = (file: Buffer, side: number) =>
    patched(file, (copy) => (copy.writeUIntLE(side - 1, 24, 3), copy.writeUIntLE(side - 1, 27, 3)))
  const webpOf = (...pieces: Buffer[]) => webp.seal!(Buffer.concat([animatedWebp.subarray(0, 12), ...pieces]))
  const chunks = webp.split(animatedWebp).slice(1)
  const frame = chunks.find((chunk) => chunk.toString('latin1', 0, 4) === 'ANMF')!
  const first = chunks.slice(0, chunks.indexOf(frame))
  const ftyp = avif.split(avifSeed)[0]!.length
  /** The screen, and every frame on it. */
  const gifOf = (frames: number, side: number) =>
    patched(gifOfFrames(frames), (copy) => {
      for (let at = 6; at >= 6; at = copy.indexOf('\x2c\0\0\0\0', at, 'latin1') + 5) {
        copy.writeUInt16LE(side, at)
        copy.writeUInt16LE(side, at + 2)
      }
    })
  const gifScreen = gifOfFrames(1).subarray(0, 19)

  return [
    {
      name: '65,500×65,500',
      format: 'jpeg',
      code: 'image_too_large',
      bytes: patched(jpegSeed, (copy) => (copy.writeUInt16BE(65_500, jpegFrame + 5), copy.writeUInt16BE(65_500, jpegFrame + 7))),
    },
    {
      name: '10,000×10,000',
      format: 'jpeg',
      code: 'image_too_large',
      bytes: patched(jpegSeed, (copy) => (copy.writeUInt16BE(10_000, jpegFrame + 5), copy.writeUInt16BE(10_000, jpegFrame + 7))),
    },
    { name: 'EXIF segments', format: 'jpeg', code: 'metadata_too_large', bytes: after(jpegSeed, 2, repeat(segment(0xe1, 65_000), bytes)) },
    { name: 'comments', format: 'jpeg', code: 'metadata_too_large', bytes: after(jpegSeed, 2, repeat(segment(0xfe, 65_000), bytes)) },
    { name: 'tiny segments', format: 'jpeg', code: 'invalid_image', bytes: after(jpegSeed, 2, repeat(segment(0xe1, 10), bytes)) },
    { name: 'filler', format: 'jpeg', code: 'invalid_image', bytes: after(jpegSeed, 2, Buffer.alloc(bytes, 0xff)) },
    {
      name: '786,464×32 of 16 bits',
      format: 'png',
      code: 'image_too_large',
      bytes: Buffer.concat([pngHeader({ width: 786_464, height: 32, bits: 16, colour: 6 }), pngChunk('IDAT', Buffer.alloc(0))]),
    },
    { name: '17,000×17,000', format: 'png', code: 'image_too_large', bytes: pngOfSize(17_000, 17_000) },
    { name: '10,000×10,000', format: 'png', code: 'image_too_large', bytes: pngOfSize(10_000, 10_000) },
    {
      name: 'text',
      format: 'png',
      code: 'metadata_too_large',
      bytes: after(pngSeed, 33, repeat(pngChunk('tEXt', Buffer.concat([Buffer.from('k\0'), Buffer.alloc(1e6, 'x')])), bytes)),
    },
    { name: 'EXIF', format: 'png', code: 'metadata_too_large', bytes: after(pngSeed, 33, pngChunk('eXIf', Buffer.alloc(bytes, 'x'))) },
    {
      name: 'tiny chunks',
      format: 'png',
      code: 'invalid_image',
      bytes: after(pngSeed, 33, repeat(pngChunk('tEXt', Buffer.from('k\0x')), bytes)),
    },
    { name: '65,535×65,535', format: 'gif', code: 'image_too_large', bytes: gifOf(1, 65_535) },
    { name: '400 frames of 4,000×4,000', format: 'gif', code: 'image_too_large', bytes: gifOf(400, 4_000) },
    { name: 'frames', format: 'gif', code: 'too_many_frames', bytes: gifOfFrames(Math.ceil(bytes / 23)) },
    {
      name: 'comments',
      format: 'gif',
      code: 'invalid_image',
      bytes: Buffer.concat([gifScreen, repeat(Buffer.from('\x21\xfe\x01x\0', 'latin1'), bytes), gifOfFrames(1).subarray(19)]),
    },
    {
      name: 'a long comment',
      format: 'gif',
      code: 'metadata_too_large',
      bytes: Buffer.concat([
        gifScreen,
        Buffer.from('\x21\xfe', 'latin1'),
        repeat(Buffer.concat([Buffer.of(255), Buffer.alloc(255, 'x')]), bytes),
        Buffer.of(0),
        gifOfFrames(1).subarray(19),
      ]),
    },
    { name: '16,383×16,383', format: 'webp', code: 'image_too_large', bytes: canvas(animatedWebp, 16_383) },
    { name: '10,000×10,000', format: 'webp', code: 'image_too_large', bytes: canvas(animatedWebp, 10_000) },
    { name: 'frames', format: 'webp', code: 'too_many_frames', bytes: webpOf(...first, repeat(frame, bytes)) },
    {
      name: 'EXIF',
      format: 'webp',
      code: 'metadata_too_large',
      bytes: webpOf(...first, frame, riffChunk('EXIF', Buffer.alloc(bytes, 'x'))),
    },
    {
      name: 'tiny chunks',
      format: 'webp',
      code: 'invalid_image',
      bytes: webpOf(...first, repeat(riffChunk('JUNK', Buffer.alloc(0)), bytes), frame),
    },
    { name: '2,147,483,647×2,147,483,647', format: 'avif', code: 'image_too_large', bytes: ispe(2 ** 31 - 1, 2 ** 31 - 1) },
    { name: '10,000×10,000', format: 'avif', code: 'image_too_large', bytes: ispe(10_000, 10_000) },
    {
      name: 'tables of a sequence',
      format: 'avif',
      code: 'metadata_too_large',
      bytes: after(avifSeed, ftyp, box('moov', Buffer.alloc(bytes))),
    },
    {
      name: 'tiny boxes',
      format: 'avif',
      code: 'invalid_image',
      bytes: after(avifSeed, ftyp, repeat(box('free', Buffer.alloc(0)), bytes)),
    },
  ]
}
