// Writes a ZIP archive as a stream: files stored as they are, nothing held but the index that stands at its end.
// APPNOTE 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT; sections in brackets.
import { crc32 } from 'node:zlib'

export interface ZipFile {
  /** Its path in the archive, as it is to be there. */
  name: string
  /** Bytes. */
  size: number
  /** Milliseconds since 1970. */
  modifiedAt: number
  body: AsyncIterable<Buffer>
}

// [4.4.4] Bit 3: sizes and CRC follow the bytes, as they are not known before; bit 11: names are UTF-8.
const FLAGS = 0x0808
// [4.4.3] 4.5: ZIP64. [4.4.2] Made on Unix, whose permissions the index has: -rw-r--r--.
const VERSION = 45
const MADE_BY = (3 << 8) | VERSION
const ATTRIBUTES = (0o100644 << 16) >>> 0
const STORED = 0
/** In 32 bits it says: look in the ZIP64 field. */
const MAX_32 = 0xffff_ffff
const MAX_16 = 0xffff
const ZIP64_FIELD = 1
const INDEX_PART = 64 * 1024

interface Written {
  name: Buffer
  size: number
  crc: number
  time: number
  date: number
  offset: number
}

/**
 * Rejects if a body has other than its `size` bytes: what was yielded by then has no index, so that nobody takes it for whole. The
 * index takes some 60 bytes a file, and its name.
 */
export async function* zip(files: AsyncIterable<ZipFile>): AsyncGenerator<Buffer> {
  const index = new GrowingBuffer()
  let offset = 0
  let count = 0
  for await (const { name, size, modifiedAt, body } of files) {
    const written = { name: Buffer.from(name), size, crc: 0, ...dosTime(new Date(modifiedAt)), offset }
    const head = localHeader(written)
    yield head
    let bytes = 0
    for await (const chunk of body) {
      bytes += chunk.length
      written.crc = crc32(chunk, written.crc)
      yield chunk
    }
    if (bytes !== size) throw new Error(`${name} has ${bytes} bytes instead of ${size}`)
    const tail = descriptor(written)
    yield tail
    index.append(indexEntry(written))
    offset += head.length + bytes + tail.length
    count += 1
  }
  yield* index.parts()
  yield endOfArchive(count, index.length, offset)
}

/** Bytes of a small integer, little-endian. */
const u16 = (value: number) => [value & 0xff, (value >>> 8) & 0xff]
const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)]
const u64 = (value: number) => [...u32(value % 2 ** 32), ...u32(Math.floor(value / 2 ** 32))]

const isLarge = (size: number) => size >= MAX_32

/** [4.3.7] A large file announces by its ZIP64 field, all zero yet, that its descriptor has sizes of 64 bits [4.3.9.2]. */
function localHeader({ name, size, time, date }: Written): Buffer {
  const extra = isLarge(size) ? [...u16(ZIP64_FIELD), ...u16(16), ...u64(0), ...u64(0)] : []
  const sizes = isLarge(size) ? MAX_32 : 0
  const fixed = [...u32(0x04034b50), ...u16(VERSION), ...u16(FLAGS), ...u16(STORED), ...u16(time), ...u16(date), ...u32(0)]
  const lengths = [...u32(sizes), ...u32(sizes), ...u16(name.length), ...u16(extra.length)]
  return Buffer.concat([Buffer.from([...fixed, ...lengths]), name, Buffer.from(extra)])
}

/** [4.3.9] */
function descriptor({ size, crc }: Written): Buffer {
  const width = isLarge(size) ? u64 : u32
  return Buffer.from([...u32(0x08074b50), ...u32(crc), ...width(size), ...width(size)])
}

/** [4.3.12], [4.5.3] */
function indexEntry({ name, size, crc, time, date, offset }: Written): Buffer {
  const far = [...(isLarge(size) ? [...u64(size), ...u64(size)] : []), ...(offset >= MAX_32 ? u64(offset) : [])]
  const extra = far.length > 0 ? [...u16(ZIP64_FIELD), ...u16(far.length), ...far] : []
  const shown = Math.min(size, MAX_32)
  const fixed = [...u32(0x02014b50), ...u16(MADE_BY), ...u16(VERSION), ...u16(FLAGS), ...u16(STORED), ...u16(time), ...u16(date)]
  const sizes = [...u32(crc), ...u32(shown), ...u32(shown), ...u16(name.length), ...u16(extra.length)]
  // No comment, disk 0, no internal attributes.
  const rest = [...u16(0), ...u16(0), ...u16(0), ...u32(ATTRIBUTES), ...u32(Math.min(offset, MAX_32))]
  return Buffer.concat([Buffer.from([...fixed, ...sizes, ...rest]), name, Buffer.from(extra)])
}

/** [4.3.14] to [4.3.16] */
function endOfArchive(count: number, indexLength: number, indexAt: number): Buffer {
  const isFar = count >= MAX_16 || indexLength >= MAX_32 || indexAt >= MAX_32
  const counts = [...u64(count), ...u64(count), ...u64(indexLength), ...u64(indexAt)]
  const record = [...u32(0x06064b50), ...u64(44), ...u16(MADE_BY), ...u16(VERSION), ...u32(0), ...u32(0), ...counts]
  const locator = [...u32(0x07064b50), ...u32(0), ...u64(indexAt + indexLength), ...u32(1)]
  const shownCount = u16(Math.min(count, MAX_16))
  const places = [...u32(Math.min(indexLength, MAX_32)), ...u32(Math.min(indexAt, MAX_32))]
  const end = [...u32(0x06054b50), ...u16(0), ...u16(0), ...shownCount, ...shownCount, ...places, ...u16(0)]
  return Buffer.from([...(isFar ? [...record, ...locator] : []), ...end])
}

/** [4.4.6] Local time in steps of two seconds, from 1980 to 2107. */
function dosTime(at: Date): { time: number; date: number } {
  const year = Math.min(Math.max(at.getFullYear(), 1980), 2107) - 1980
  return {
    time: (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1),
    date: (year << 9) | ((at.getMonth() + 1) << 5) | at.getDate(),
  }
}

/** Small pieces in a few large buffers: each by itself would take several times its size. */
class GrowingBuffer {
  readonly #full: Buffer[] = []
  #last = Buffer.alloc(INDEX_PART)
  #used = 0
  length = 0

  append(piece: Buffer): void {
    if (this.#used + piece.length > this.#last.length) {
      this.#full.push(this.#last.subarray(0, this.#used))
      this.#last = Buffer.alloc(Math.max(INDEX_PART, piece.length))
      this.#used = 0
    }
    this.#used += piece.copy(this.#last, this.#used)
    this.length += piece.length
  }

  *parts(): Generator<Buffer> {
    yield* this.#full
    yield this.#last.subarray(0, this.#used)
  }
}
