// Parts of multipart bodies: what they say of themselves, held against another parser, however the body is cut into pieces.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { Busboy } from '@fastify/busboy'
import { readPartHeader } from '../../src/receive/part-header.ts'
import { openPartParser } from '../../src/receive/part-parser.ts'
import { diceFrom, type Dice } from '../support/inputs/random.ts'

const TYPE = 'multipart/form-data; boundary=seam'
const sha256 = (pieces: Buffer[]) => createHash('sha256').update(Buffer.concat(pieces)).digest('hex')

const NAMES = [
  'photo.jpg',
  'a b;c.jpg',
  'été à la 🏖.png',
  'C:\\photos\\new.jpg',
  'say \\"cheese\\".jpg',
  'two \\\\ strokes.jpg',
  'say %22cheese%22.jpg',
  '../../etc/passwd',
  '',
]

const dispositions = (dice: Dice) => {
  const name = dice.oneOf(NAMES)
  return dice.oneOf([
    `form-data; name="images"; filename="${name}"`,
    `form-data;name=images;filename="${name}"`,
    `Form-Data; filename="${name}"; name="images"`,
    `form-data; name="images"; filename="${name}" and more; size=3`,
    `form-data; name="images"; filename*=utf-8'en'%C3%A9t%C3%A9.jpg`,
    `form-data; name="images"; filename*=iso-8859-1''%E9t%E9.jpg`,
    `form-data; name="index"`,
    'form-data; name=index',
    'form-data',
  ])
}

function bodyOf(dice: Dice): Buffer {
  const pieces: Buffer[] = dice.chance(0.2) ? [Buffer.from('a preamble\r\n')] : []
  for (let parts = dice.below(8); parts > 0; parts--) {
    const type = dice.oneOf(['', 'content-type: image/jpeg\r\n', 'content-type: application/octet-stream\r\n'])
    pieces.push(Buffer.from(`--seam\r\ncontent-disposition: ${dispositions(dice)}\r\n${type}\r\n`))
    const bytes = Buffer.alloc(dice.oneOf([0, 1, 7, 500, 1_000, 70_000, 300_000]), dice.oneOf(['x', '\r\n--sea', '\r\n', '-']))
    // Of a field no more is kept.
    pieces.push(bytes, Buffer.from('\r\n'))
  }
  pieces.push(Buffer.from('--seam--\r\n'), Buffer.from(dice.oneOf(['', 'an epilogue\r\n--seam\r\n'])))
  return Buffer.concat(pieces)
}

function* inPieces(body: Buffer, dice: Dice): Generator<Buffer> {
  const most = dice.oneOf(body.length < 5_000 ? [3, 100, 65_536] : [5_000, 65_536, 1_000_000])
  for (let at = 0; at < body.length;) {
    const bytes = 1 + dice.below(most)
    yield body.subarray(at, at + bytes)
    at += bytes
  }
}

type Told = ['file', field: string, name: string | undefined, sha256: string] | ['field', name: string, value: string]

async function byBusboy(body: Buffer): Promise<Told[]> {
  const told: Told[] = []
  const parser = new Busboy({ headers: { 'content-type': TYPE }, preservePath: true })
  parser.on('file', (field: string, stream, name) => {
    const file: Told = ['file', field, name, '']
    told.push(file)
    const pieces: Buffer[] = []
    stream.on('data', (piece: Buffer) => pieces.push(piece)).on('end', () => (file[3] = sha256(pieces)))
  })
  parser.on('field', (name: string, value: string) => told.push(['field', name, value.slice(0, 1_024)]))
  parser.end(body)
  await once(parser, 'finish')
  return told
}

async function byOurs(pieces: Iterable<Buffer>): Promise<Told[]> {
  const told: Told[] = []
  const { promise: ended, resolve: onEnd, reject: onMalformed } = Promise.withResolvers<void>()
  const parser = openPartParser(
    TYPE,
    { maxFiles: 100, maxFields: 100 },
    {
      onFile({ field, fileName }, bytes) {
        const file: Told = ['file', field ?? '', fileName, '']
        told.push(file)
        const read: Buffer[] = []
        bytes.on('data', (piece: Buffer) => read.push(piece)).on('end', () => (file[3] = sha256(read)))
      },
      onField: (name = '', value) => told.push(['field', name, value]),
      onTooManyFiles: () => onMalformed(new Error('files')),
      onTooManyFields: () => onMalformed(new Error('fields')),
      onMalformed,
      onEnd,
    },
  )
  let isOver = false
  void ended.finally(() => (isOver = true)).catch(() => undefined)
  for (const piece of pieces) {
    if (isOver) break
    await Promise.race([ended, new Promise<void>((resolve) => parser.write(piece, () => resolve()))])
  }
  parser.end()
  await ended
  parser.destroy()
  return told
}

const named = (told: Told[]) => told.map(([kind, name, ...rest]) => [kind, name ?? '', ...rest])

test('200 bodies in pieces of any size have the files and fields that another parser finds in them', async () => {
  for (let seed = 0; seed < 200; seed++) {
    const dice = diceFrom(seed)
    const body = bodyOf(dice)
    const [found, expected] = [await byOurs(inPieces(body, dice)), await byBusboy(body)]
    assert.deepEqual(named(found), named(expected), `seed ${seed}`)
  }
})

test('a field is told before the file behind it, also where both come in one piece', async () => {
  const field = '--seam\r\ncontent-disposition: form-data; name="index"\r\n\r\n12\r\n'
  const file = '--seam\r\ncontent-disposition: form-data; name="images"; filename="a.jpg"\r\n\r\nbytes\r\n'
  const told = await byOurs([Buffer.from(`${field}${file}${field}${file}--seam--\r\n`)])
  assert.deepEqual(
    told.map(([kind]) => kind),
    ['field', 'file', 'field', 'file'],
  )
})

test('a part that does not say what it is makes the body malformed', async () => {
  const end = '\r\n\r\nbytes\r\n--seam--\r\n'
  for (const header of ['content-type: image/jpeg', 'content-disposition: attachment; name="images"', 'nonsense', ''])
    await assert.rejects(byOurs([Buffer.from(`--seam\r\n${header}${end}`)]), /^Error: A part/, header)
  await assert.rejects(byOurs([Buffer.from('--seam\r\ncontent-disposition: form-data; name="images"')]))
})

test('of two parameters with the same name the first counts', () => {
  const disposition = 'form-data; name="images"; name="index"; filename="a.jpg"; filename="b.jpg"'
  assert.deepEqual(readPartHeader({ 'content-disposition': [disposition] }), { field: 'images', fileName: 'a.jpg', isFile: true })
})

test('a content type without a usable boundary is refused', () => {
  const events = {} as Parameters<typeof openPartParser>[2]
  const long = `multipart/form-data; boundary=${'x'.repeat(300)}`
  for (const type of [long, 'multipart/form-data', 'multipart/form-data; boundary=', 'multipart', '', 'multipart/form-data boundary=x'])
    assert.throws(() => openPartParser(type, { maxFiles: 1, maxFields: 1 }, events), { code: 'not_multipart' }, type)
})

test('what looks like work for a parser is read in no time', () => {
  for (const value of ['\\'.repeat(9_000), ';'.repeat(9_000), '"'.repeat(9_000), 'a='.repeat(4_500), `${'\\"'.repeat(4_500)}`]) {
    const before = process.cpuUsage()
    readPartHeader({ 'content-disposition': [`form-data; name="images"; filename="${value}`] })
    readPartHeader({ 'content-disposition': [`form-data;${value}`] })
    assert.ok(process.cpuUsage(before).user < 1_000_000, value.slice(0, 10))
  }
})
