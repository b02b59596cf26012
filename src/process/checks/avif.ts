// What an AVIF says of itself that its decoder passes over: whether it has a still image, and the range of a grey one.
import { closeSync, openSync, readSync } from 'node:fs'
import { isLimitedMonochromeSequence } from './av1-sequence.ts'
import { FileWindow } from './file-window.ts'

export interface AvifFacts {
  /** An image sequence (`moov`) without a still image (`meta`). */
  isSequenceOnly: boolean
  /** Its grey values reach from 16 to 235 (of 8 bits) instead of 0 to 255, and the decoder leaves them so. */
  isLimitedMonochrome: boolean
}

/** `checkStructure` refuses more. */
const MAX_META_BYTES = 5 * 2 ** 20
/** Of the coded image: the sequence header stands at its beginning. */
const SEQUENCE_BYTES = 256

/** Reads the boxes that describe the primary image. Says nothing of a file whose boxes end in nonsense: the decoder will. */
export function readAvif(path: string): AvifFacts {
  const fd = openSync(path, 'r')
  try {
    const top = topBoxes(path)
    const meta = top.get('meta')
    const facts = {
      isSequenceOnly: !meta && top.has('moov'),
      isLimitedMonochrome: false,
    }
    if (!meta || meta.size > MAX_META_BYTES) return facts
    const items = readAt(fd, meta.at + 12, meta.size - 12)
    return { ...facts, isLimitedMonochrome: isLimitedMonochrome(items, (at, length) => readAt(fd, at, length)) }
  } catch (error) {
    // A number that leads past the end of a box.
    if (error instanceof RangeError) return { isSequenceOnly: false, isLimitedMonochrome: false }
    throw error
  } finally {
    closeSync(fd)
  }
}

function readAt(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, readSync(fd, bytes, 0, length, at))
}

/** By type, the first of each. */
function topBoxes(path: string): Map<string, { at: number; size: number }> {
  using file = new FileWindow(path)
  const found = new Map<string, { at: number; size: number }>()
  for (let at = 0; ;) {
    const head = file.bytes(at, 16) ?? file.bytes(at, 8)
    if (!head) return found
    const size = sizeOf(head, file.size - at)
    if (size < 8) return found
    const type = head.toString('latin1', 4, 8)
    if (!found.has(type)) found.set(type, { at, size })
    at += size
  }
}

/** ISO/IEC 14496-12, 4.2; less than 8 is nonsense. */
function sizeOf(head: Buffer, room: number): number {
  const size = head.readUInt32BE()
  if (size === 0) return room
  return size === 1 && head.length >= 16 ? Number(head.readBigUInt64BE(8)) : size
}

interface Box {
  type: string
  /** Without its head. */
  body: Buffer
}

function* boxesOf(bytes: Buffer): Generator<Box> {
  for (let at = 0; at + 8 <= bytes.length;) {
    const size = sizeOf(bytes.subarray(at, at + 16), bytes.length - at)
    if (size < 8) return
    const head = bytes.readUInt32BE(at) === 1 ? 16 : 8
    yield { type: bytes.toString('latin1', at + 4, at + 8), body: bytes.subarray(at + head, at + size) }
    at += size
  }
}

const find = (bytes: Buffer | undefined, type: string): Buffer | undefined => {
  for (const box of bytes ? boxesOf(bytes) : []) if (box.type === type) return box.body
  return undefined
}

/** AV1 in ISOBMFF 2.3.4: seq_tier, high_bitdepth, twelve_bit, monochrome. */
const isMonochrome = (av1C: Buffer) => (av1C.readUInt8(2) & 0x10) !== 0

/** A colour box that names coding points goes before what the bitstream says (MIAF, ISO/IEC 23000-22, 7.3.6.4). */
function isLimitedMonochrome(meta: Buffer, readFile: (at: number, length: number) => Buffer): boolean {
  const pitm = find(meta, 'pitm')
  if (!pitm) return false
  const primary = pitm.readUInt8(0) === 0 ? pitm.readUInt16BE(4) : pitm.readUInt32BE(4)
  // Of a grid the first tile.
  const coded = firstReference(find(meta, 'iref'), 'dimg', primary) ?? primary
  const properties = find(meta, 'iprp')
  const [ofPrimary, ofCoded] = [primary, coded].map((item) => propertiesOf(properties, item))
  const av1C = ofCoded?.find(({ type }) => type === 'av1C')?.body
  if (!av1C || !isMonochrome(av1C)) return false

  const nclx = [...(ofPrimary ?? []), ...(ofCoded ?? [])].find(
    ({ type, body }) => type === 'colr' && body.toString('latin1', 0, 4) === 'nclx',
  )
  if (nclx) return (nclx.body.readUInt8(10) & 0x80) === 0
  const extent = firstExtent(find(meta, 'iloc'), coded)
  if (!extent) return false
  const length = Math.min(extent.length, SEQUENCE_BYTES)
  const data = extent.isInMeta ? find(meta, 'idat')?.subarray(extent.at, extent.at + length) : readFile(extent.at, length)
  return (data && isLimitedMonochromeSequence(data)) ?? isLimitedMonochromeSequence(av1C.subarray(4)) ?? false
}

/** ISO/IEC 14496-12, 8.11.12. */
function firstReference(iref: Buffer | undefined, type: string, from: number): number | undefined {
  if (!iref) return undefined
  const isWide = iref.readUInt8(0) > 0
  const read = (body: Buffer, at: number) => (isWide ? body.readUInt32BE(at) : body.readUInt16BE(at))
  for (const { type: found, body } of boxesOf(iref.subarray(4))) {
    if (found === type && read(body, 0) === from) return read(body, isWide ? 6 : 4)
  }
  return undefined
}

/** ISO/IEC 23008-12, 9.3: the properties in `ipco`, by the numbers that `ipma` gives an item. */
function propertiesOf(iprp: Buffer | undefined, item: number): Box[] {
  const ipma = find(iprp, 'ipma')
  const ipco = find(iprp, 'ipco')
  if (!ipma || !ipco) return []
  const all = [...boxesOf(ipco)]
  const hasWideIds = ipma.readUInt8(0) > 0
  const hasWideNumbers = (ipma.readUInt8(3) & 1) !== 0
  let at = 8
  for (let left = ipma.readUInt32BE(4); left > 0; left--) {
    const id = hasWideIds ? ipma.readUInt32BE(at) : ipma.readUInt16BE(at)
    at += hasWideIds ? 4 : 2
    const numbers = Array.from({ length: ipma.readUInt8(at++) }, () => {
      const number = hasWideNumbers ? ipma.readUInt16BE(at) & 0x7fff : ipma.readUInt8(at) & 0x7f
      at += hasWideNumbers ? 2 : 1
      return number
    })
    if (id === item) return numbers.flatMap((number) => all[number - 1] ?? [])
  }
  return []
}

/** ISO/IEC 14496-12, 8.11.3: where the first bytes of an item lie. */
function firstExtent(iloc: Buffer | undefined, item: number): { at: number; length: number; isInMeta: boolean } | undefined {
  if (!iloc) return undefined
  let at = 8
  const take = (bytes: number): number => {
    if (bytes === 0) return 0
    const value = bytes === 8 ? Number(iloc.readBigUInt64BE(at)) : iloc.readUIntBE(at, bytes)
    at += bytes
    return value
  }
  const version = iloc.readUInt8(0)
  const [offsetBytes, lengthBytes, baseBytes, indexBytes] = [iloc[4]! >> 4, iloc[4]! & 15, iloc[5]! >> 4, version > 0 ? iloc[5]! & 15 : 0]
  at = 6
  for (let left = take(version < 2 ? 2 : 4); left > 0; left--) {
    const id = take(version < 2 ? 2 : 4)
    const method = version > 0 ? take(2) & 15 : 0
    take(2)
    const base = take(baseBytes)
    const extents = take(2)
    if (id !== item || extents === 0) {
      // At once: extents may take no bytes at all.
      at += extents * (indexBytes + offsetBytes + lengthBytes)
      continue
    }
    take(indexBytes)
    const [offset, length] = [take(offsetBytes), take(lengthBytes)]
    return { at: base + offset, length: length || SEQUENCE_BYTES, isInMeta: method === 1 }
  }
  return undefined
}
