// Reads a ZIP archive as strictly as the format is written: by its index, every header and checksum held against it.
// APPNOTE 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'

/** An archive that need not be in memory: `length` bytes from `at`. */
export interface ZipBytes {
  size: number
  read(at: number, length: number): Buffer
}

export interface ZipEntry {
  name: string
  size: number
  crc: number
  modifiedAt: Date
  /** Where its bytes begin. */
  at: number
}

export const inMemory = (bytes: Buffer): ZipBytes => ({ size: bytes.length, read: (at, length) => bytes.subarray(at, at + length) })

const END_LENGTH = 22
const LOCATOR_LENGTH = 20

/** The entries of an archive, in their order. Throws if anything in it is not as it has to be; bytes are checked by `contentOf`. */
export function readZip(zip: ZipBytes): ZipEntry[] {
  const { count, length, at, end } = findIndex(zip)
  assert.equal(at + length, end, 'the index ends where the end of the archive begins')
  const index = zip.read(at, length)
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  const entries: ZipEntry[] = []
  let place = 0
  let nextOffset = 0
  for (let number = 0; number < count; number++) {
    const head = index.subarray(place)
    assert.equal(head.readUInt32LE(0), 0x02014b50, `entry ${number} of the index`)
    const [nameLength, extraLength, commentLength] = [head.readUInt16LE(28), head.readUInt16LE(30), head.readUInt16LE(32)]
    assert.equal(head.readUInt16LE(10), 0, 'stored')
    assert.equal(head.readUInt16LE(8) & 0x0808, 0x0808, 'a descriptor follows, names are UTF-8')
    const name = utf8.decode(head.subarray(46, 46 + nameLength))
    const far = zip64Field(head.subarray(46 + nameLength, 46 + nameLength + extraLength))
    const size = head.readUInt32LE(24) === 0xffffffff ? far() : head.readUInt32LE(24)
    const packed = head.readUInt32LE(20) === 0xffffffff ? far() : head.readUInt32LE(20)
    const offset = head.readUInt32LE(42) === 0xffffffff ? far() : head.readUInt32LE(42)
    assert.equal(packed, size)
    assert.equal(offset, nextOffset, `${name} follows the one before without a gap`)
    const crc = head.readUInt32LE(16)

    const local = zip.read(offset, 30)
    assert.equal(local.readUInt32LE(0), 0x04034b50, name)
    assert.ok(local.subarray(6, 14).equals(head.subarray(8, 16)), 'flags, method and time are the same in both places')
    const localExtra = local.readUInt16LE(28)
    assert.equal(zip.read(offset + 30, local.readUInt16LE(26)).toString(), name)
    const bytesAt = offset + 30 + nameLength + localExtra
    // With sizes of 64 bits where the header before it has a ZIP64 field.
    const descriptor = zip.read(bytesAt + size, localExtra > 0 ? 24 : 16)
    assert.equal(descriptor.readUInt32LE(0), 0x08074b50, `descriptor of ${name}`)
    assert.equal(descriptor.readUInt32LE(4), crc)
    assert.equal(localExtra > 0 ? Number(descriptor.readBigUInt64LE(16)) : descriptor.readUInt32LE(12), size)
    nextOffset = bytesAt + size + descriptor.length

    const [time, date] = [head.readUInt16LE(12), head.readUInt16LE(14)]
    const modifiedAt = new Date((date >> 9) + 1980, ((date >> 5) & 15) - 1, date & 31, time >> 11, (time >> 5) & 63, (time & 31) * 2)
    entries.push({ name, size, crc, modifiedAt, at: bytesAt })
    place += 46 + nameLength + extraLength + commentLength
  }
  assert.equal(place, length, 'the index has as many entries as it says')
  assert.equal(nextOffset, at, 'nothing lies between the files and the index')
  return entries
}

/** The bytes of a file, which have the checksum that the index says. */
export function contentOf(zip: ZipBytes, { name, at, size, crc }: ZipEntry): Buffer {
  const bytes = zip.read(at, size)
  assert.equal(bytes.length, size)
  assert.equal(crc32(bytes), crc, `checksum of ${name}`)
  return bytes
}

function findIndex(zip: ZipBytes): { count: number; length: number; at: number; end: number } {
  const endAt = zip.size - END_LENGTH
  const end = zip.read(endAt, END_LENGTH)
  assert.equal(end.readUInt32LE(0), 0x06054b50, 'it ends as an archive does')
  assert.equal(end.readUInt16LE(8), end.readUInt16LE(10))
  const [count, length, at] = [end.readUInt16LE(10), end.readUInt32LE(12), end.readUInt32LE(16)]
  if (count < 0xffff && length < 0xffffffff && at < 0xffffffff) return { count, length, at, end: endAt }

  const locator = zip.read(endAt - LOCATOR_LENGTH, LOCATOR_LENGTH)
  assert.equal(locator.readUInt32LE(0), 0x07064b50, 'a large archive says where its ZIP64 end is')
  const farAt = Number(locator.readBigUInt64LE(8))
  const far = zip.read(farAt, 56)
  assert.equal(far.readUInt32LE(0), 0x06064b50)
  assert.equal(Number(far.readBigUInt64LE(4)), 44)
  assert.equal(farAt + far.length, endAt - LOCATOR_LENGTH)
  const [farCount, farLength, farIndexAt] = [32, 40, 48].map((place) => Number(far.readBigUInt64LE(place))) as [number, number, number]
  return { count: farCount, length: farLength, at: farIndexAt, end: farAt }
}

/** Gives its numbers one after the other. */
function zip64Field(extra: Buffer): () => number {
  let place = 4
  return () => {
    assert.equal(extra.readUInt16LE(0), 1, 'a ZIP64 field')
    assert.equal(extra.readUInt16LE(2), extra.length - 4)
    place += 8
    return Number(extra.readBigUInt64LE(place - 8))
  }
}
