// The structure of an original, walked block by block and stopped at the first that is too much: decoders read, copy and keep whatever
// a file says before its pixels, and every frame of it, before anyone can ask how large the image is.
import { CalotypeError } from '../../errors.ts'
import type { Format } from '../../image.ts'
import { FileWindow } from './file-window.ts'

/**
 * Metadata before the pixels (EXIF, XMP, colour profile, comments). Decoders take up to 3.5 times as much: 60 MB in a PNG took 205, in a
 * WebP 172, in a JPEG 119. Extended XMP of phones and editors has one or two.
 */
const MAX_METADATA_BYTES = 5 * 2 ** 20
/** Segments, chunks, boxes or blocks before the pixels; with every frame of an animation. */
const MAX_BLOCKS = 3_000
/** Bytes between the segments of a JPEG that are none; decoders pass them over. */
const MAX_STRAY_BYTES = 64 * 1024

interface Walk {
  file: FileWindow
  /** Each throws if that is too much. */
  metadata(at: number, bytes: number): void
  frame(): void
  block(): void
  /** The width and height that something in the file claims for an image. */
  size(width: number, height: number): void
}

/**
 * Throws `metadata_too_large`, `too_many_frames`, `image_too_large` where that is told before the decoder, or `invalid_image` for more blocks than any program writes. Says nothing of a file
 * whose structure ends in nonsense: the decoder will. Reads at most the blocks it counts; of a GIF, which has no other way, all.
 */
export function checkStructure(path: string, format: Format, { maxFrames, maxSide }: { maxFrames: number; maxSide: number }): void {
  using file = new FileWindow(path)
  let [blocks, frames, metadataBytes] = [0, 0, 0]
  WALKS[format]({
    file,
    metadata(at, bytes) {
      // What a length claims beyond the end of the file is not there.
      metadataBytes += Math.max(0, Math.min(bytes, file.size - at))
      if (metadataBytes > MAX_METADATA_BYTES) throw new CalotypeError('metadata_too_large')
    },
    frame() {
      if (++frames > maxFrames)
        throw new CalotypeError('too_many_frames', `The animation has more than ${maxFrames} frames, the most that are developed.`)
    },
    block() {
      if (++blocks > MAX_BLOCKS) throw new CalotypeError('invalid_image')
    },
    size(width, height) {
      if (Math.max(width, height) > maxSide) throw tooLongSide(width, height, maxSide)
    },
  })
}

export const tooLongSide = (width: number, height: number, maxSide: number) =>
  new CalotypeError('image_too_large', `The image is ${width}×${height} pixels; its sides may be ${maxSide} at most.`)

const WALKS: Record<Format, (walk: Walk) => void> = { jpeg: walkJpeg, png: walkPng, webp: walkWebp, gif: walkGif, avif: walkAvif }

const SOS = 0xda
const EOI = 0xd9
/** Markers without a length: TEM, RST0 to RST7, SOI. */
const isBare = (marker: number) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)
const isMetadata = (marker: number) => (marker >= 0xe0 && marker <= 0xef) || marker === 0xfe

/** ISO/IEC 10918-1, B.1.1: markers, up to the first scan. */
function walkJpeg({ file, metadata, block }: Walk): void {
  let stray = 0
  for (let at = 2; ;) {
    if (file.byte(at) !== 0xff) {
      if (at >= file.size) return
      if (++stray > MAX_STRAY_BYTES) throw new CalotypeError('invalid_image')
      at++
      continue
    }
    const marker = file.byte(at + 1)
    // Any number of 0xff may stand before a marker; 0 makes it none.
    if (marker === 0xff || marker === 0) {
      if (++stray > MAX_STRAY_BYTES) throw new CalotypeError('invalid_image')
      at++
      continue
    }
    if (marker < 0 || marker === SOS || marker === EOI) return
    block()
    if (isBare(marker)) {
      at += 2
      continue
    }
    const length = file.bytes(at + 2, 2)?.readUInt16BE() ?? 0
    if (length < 2) return
    if (isMetadata(marker)) metadata(at, length)
    at += 2 + length
  }
}

/** ISO/IEC 15948, 5.3: chunks, up to the first with pixels. */
function walkPng({ file, metadata, block }: Walk): void {
  for (let at = 8; ;) {
    const head = file.bytes(at, 8)
    const type = head?.toString('latin1', 4)
    if (!head || type === 'IDAT' || type === 'IEND') return
    block()
    const length = head.readUInt32BE()
    if (type !== 'IHDR' && type !== 'PLTE') metadata(at, length)
    at += 12 + length
  }
}

/** RFC 9649, 2.3 to 2.7: chunks to the end, for frames and metadata stand anywhere. */
function walkWebp({ file, metadata, frame, block }: Walk): void {
  for (let at = 12; ;) {
    const head = file.bytes(at, 8)
    if (!head) return
    block()
    const type = head.toString('latin1', 0, 4)
    const length = head.readUInt32LE(4)
    if (type === 'ANMF') frame()
    else if (!['VP8 ', 'VP8L', 'VP8X', 'ANIM', 'ALPH'].includes(type)) metadata(at, length)
    at += 8 + length + (length % 2)
  }
}

const EXTENSION = 0x21
const IMAGE = 0x2c
/** Bytes of a colour table, by the packed field of a screen or an image; 0 without one. */
const colourTable = (packed: number) => (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0)

/** GIF89a, sections 15 to 26: blocks to the end, each with sub-blocks of 255 bytes at most. */
function walkGif({ file, metadata, frame, block }: Walk): void {
  /** Where the sub-blocks from `from` on end; -1 where the file does first, or `most` bytes. */
  const afterSubBlocks = (from: number, most = Infinity): number => {
    for (let at = from, length = file.byte(at); ; length = file.byte(at)) {
      if (length < 0 || at - from > most) return -1
      at += 1 + length
      if (length === 0) return at
    }
  }
  for (let at = 13 + colourTable(file.byte(10)); at > 0;) {
    const introducer = file.byte(at)
    if (introducer === EXTENSION) {
      block()
      const end = afterSubBlocks(at + 2, MAX_METADATA_BYTES)
      metadata(at, (end < 0 ? file.size : end) - at)
      at = end
    } else if (introducer === IMAGE) {
      block()
      frame()
      const descriptor = file.bytes(at, 10)
      if (!descriptor) return
      at = afterSubBlocks(at + 11 + colourTable(descriptor[9]!))
    } else return
  }
}

/** Boxes that hold the sizes of images, and what comes before the first box in them. */
const CONTAINERS: Record<string, number> = { meta: 4, iprp: 0, ipco: 0 }

/** ISO/IEC 14496-12, 4.2, and 23008-12, 6.5.3: boxes. What describes the items is metadata; their bytes are not. */
function walkAvif({ file, metadata, block, size: claim }: Walk): void {
  const walk = (from: number, end: number, top: boolean): void => {
    for (let at = from; at < end;) {
      const head = file.bytes(at, 20) ?? file.bytes(at, 8)
      if (!head) return
      block()
      const type = head.toString('latin1', 4, 8)
      let size = head.readUInt32BE()
      if (size === 1) size = head.length >= 16 ? Number(head.readBigUInt64BE(8)) : 0
      if (size === 0) size = end - at
      if (size < 8) return
      if (top && (type === 'meta' || type === 'moov')) metadata(at, size)
      // The decoder's own reading of it has a sign, and takes what is beyond for one pixel.
      if (type === 'ispe' && head.length === 20) claim(head.readUInt32BE(12), head.readUInt32BE(16))
      const inner = CONTAINERS[type]
      if (inner !== undefined) walk(at + 8 + inner, Math.min(at + size, end), false)
      at += size
    }
  }
  walk(0, file.size, true)
}
