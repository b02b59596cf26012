// Small files that claim much: made by hand, byte by byte, as an attacker would.
import { crc32, deflateSync } from 'node:zlib'

export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const chunk = Buffer.alloc(body.length + 8)
  chunk.writeUInt32BE(data.length)
  body.copy(chunk, 4)
  chunk.writeUInt32BE(crc32(body), body.length + 4)
  return chunk
}

/** Signature and header chunk of a PNG (ISO/IEC 15948, 11.2.2), 33 bytes. `colour` 0 is grey, 6 red, green, blue and alpha. */
export function pngHeader({ width, height, bits, colour }: { width: number; height: number; bits: number; colour: number }): Buffer {
  const data = Buffer.alloc(13)
  data.writeUInt32BE(width)
  data.writeUInt32BE(height, 4)
  data.set([bits, colour], 8)
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), pngChunk('IHDR', data)])
}

/** A whole black PNG of one bit a pixel: of 17,000×17,000 it has 35 KB. `comment` goes into a compressed text chunk as it is. */
export function pngOfSize(width: number, height: number, comment?: Buffer): Buffer {
  return Buffer.concat([
    pngHeader({ width, height, bits: 1, colour: 0 }),
    ...(comment ? [pngChunk('zTXt', comment)] : []),
    pngChunk('IDAT', deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height))),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

/** A whole GIF (GIF89a, sections 18 to 26) of so many frames of one pixel, 23 bytes each. */
export function gifOfFrames(frames: number): Buffer {
  const head = Buffer.from('GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff', 'latin1')
  const control = Buffer.from('\x21\xf9\x04\0\x0a\0\0\0', 'latin1')
  const picture = Buffer.from('\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0', 'latin1')
  return Buffer.concat([head, ...Array.from({ length: frames }, () => Buffer.concat([control, picture])), Buffer.from(';')])
}
