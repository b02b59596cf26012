// Files that are two things at once: an image to us, an archive, a page or a script to someone else.
import { crc32 } from 'node:zlib'

/** In everything below; in nothing that is developed from it. */
export const PAYLOAD = '<script>alert("calotype")</script>'

const HTML = Buffer.from(`<!doctype html><html><body>${PAYLOAD}</body></html>`)
const PDF = Buffer.from(`%PDF-1.7\n1 0 obj\n<< /Type /Catalog >> % ${PAYLOAD}\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n`)
const PHP = Buffer.from(`<?php system($_GET['c']); ?>${PAYLOAD}`)

/** A ZIP archive of one stored file (APPNOTE.TXT 4.3), which begins `offset` bytes into what it is appended to. */
function zip(offset: number): Buffer {
  const name = Buffer.from('page.html')
  const shared = Buffer.alloc(26)
  shared.writeUInt16LE(20)
  shared.writeUInt32LE(crc32(HTML), 10)
  shared.writeUInt32LE(HTML.length, 14)
  shared.writeUInt32LE(HTML.length, 18)
  shared.writeUInt16LE(name.length, 22)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), shared, name, HTML])
  const place = Buffer.alloc(14)
  place.writeUInt32LE(offset, 10)
  const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\0'), shared, place, name])
  const end = Buffer.alloc(18)
  end.writeUInt16LE(1, 4)
  end.writeUInt16LE(1, 6)
  end.writeUInt32LE(central.length, 8)
  end.writeUInt32LE(offset + local.length, 12)
  return Buffer.concat([local, central, Buffer.from('PK\x05\x06'), end])
}

/** GIF and JavaScript: the width opens a comment that the last bytes close. */
function gifScript(gif: Buffer): Buffer {
  const script = Buffer.from(gif)
  script.write('/*', 6, 'latin1')
  return Buffer.concat([script, Buffer.from(`*/=0;alert(1)//${PAYLOAD}`)])
}

const appended = (tail: Buffer) => (image: Buffer) => Buffer.concat([image, tail])

/** Each makes a polyglot of an image. */
export const POLYGLOTS: Record<string, (image: Buffer) => Buffer> = {
  zip: (image) => Buffer.concat([image, zip(image.length)]),
  html: appended(HTML),
  pdf: appended(PDF),
  php: appended(PHP),
  'html first': (image) => Buffer.concat([HTML, image]),
  'pdf first': (image) => Buffer.concat([PDF, image]),
  'another image': (image) => Buffer.concat([image, image]),
  script: (image) => (image.toString('latin1', 0, 3) === 'GIF' ? gifScript(image) : appended(Buffer.from(`*/${PAYLOAD}`))(image)),
}
