// The ZIP writer: archives that strict readers take, at the limits of the old format and beyond; and names that unpack anywhere.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createArchiveNames } from '../../../src/http/media/archive-names.ts'
import { zip, type ZipFile } from '../../../src/http/media/zip.ts'
import { contentOf, inMemory, readZip, type ZipBytes } from '../../support/clients/zip-reader.ts'

const AT = new Date(2026, 10, 24, 13, 5, 42).getTime()

async function* bodyOf(...chunks: Buffer[]) {
  yield* chunks
}

const file = (name: string, ...chunks: Buffer[]): ZipFile => ({
  name,
  size: Buffer.concat(chunks).length,
  modifiedAt: AT,
  body: bodyOf(...chunks),
})

async function* each(files: Iterable<ZipFile>) {
  yield* files
}

async function written(files: Iterable<ZipFile>): Promise<ZipBytes> {
  const pieces: Buffer[] = []
  for await (const piece of zip(each(files))) pieces.push(piece)
  return inMemory(Buffer.concat(pieces))
}

describe('an archive', () => {
  it('has its files, byte for byte, with their names and times', async () => {
    const chunks = [Buffer.from('one '), Buffer.alloc(0), Buffer.from('two')]
    const archive = await written([file('Größe 写真.jpg', ...chunks), file('empty'), file('b.png', Buffer.alloc(100_000, 7))])
    const entries = readZip(archive)
    assert.deepEqual(
      entries.map(({ name, size, modifiedAt }) => [name, size, modifiedAt.getTime()]),
      [
        ['Größe 写真.jpg', 7, AT],
        ['empty', 0, AT],
        ['b.png', 100_000, AT],
      ],
    )
    assert.deepEqual(
      entries.map((entry) => contentOf(archive, entry)),
      [Buffer.from('one two'), Buffer.alloc(0), Buffer.alloc(100_000, 7)],
    )
  })

  it('may be empty', async () => {
    assert.deepEqual(readZip(await written([])), [])
  })

  for (const count of [65_534, 65_535, 70_000])
    it(`has ${count} files`, async () => {
      const archive = await written(Array.from({ length: count }, (_, at) => file(`${at}.jpg`, Buffer.from(String(at)))))
      const entries = readZip(archive)
      assert.equal(entries.length, count)
      assert.equal(contentOf(archive, entries.at(-1)!).toString(), String(count - 1))
    })

  it('has a file of more than 4 GiB, and one behind it', async () => {
    const mebibyte = Buffer.alloc(2 ** 20)
    const many = 4 * 1024 + 1
    async function* large() {
      for (let part = 0; part < many; part++) yield mebibyte
    }
    const files = [{ name: 'large', size: many * mebibyte.length, modifiedAt: AT, body: large() }, file('behind', Buffer.from('here'))]
    // Its zeroes are counted, not kept.
    const kept: { at: number; bytes: Buffer }[] = []
    let size = 0
    for await (const bytes of zip(each(files))) {
      if (bytes !== mebibyte) kept.push({ at: size, bytes })
      size += bytes.length
    }
    const read = (at: number, length: number) => {
      const bytes = Buffer.alloc(length)
      for (const piece of kept)
        if (piece.at < at + length && piece.at + piece.bytes.length > at)
          piece.bytes.copy(bytes, Math.max(0, piece.at - at), Math.max(0, at - piece.at))
      return bytes
    }
    const archive = { size, read }
    const [first, second] = readZip(archive)
    assert.deepEqual([first?.name, first?.size], ['large', many * mebibyte.length])
    assert.equal(contentOf(archive, second!).toString(), 'here')
  })

  it('is refused where a file is not as long as it said', async () => {
    for (const size of [3, 5]) {
      const files = [file('a', Buffer.from('whole')), { ...file('b', Buffer.from('four')), size }]
      await assert.rejects(written(files), /^Error: b has 4 bytes instead of/)
    }
  })

  it('ends the reading when it is ended', async () => {
    let closed = 0
    async function* files() {
      try {
        yield file('a', Buffer.from('a'))
        yield file('b', Buffer.from('b'))
      } finally {
        closed += 1
      }
    }
    for await (const piece of zip(files())) if (piece.length > 0) break
    assert.equal(closed, 1)
  })
})

describe('names in an archive', () => {
  const named = (...names: string[]) => names.map(createArchiveNames())

  it('are those of the files', () => {
    const names = ['photo.jpg', 'Größe 写真 📷.png', '.hidden', "it's (1).jpg", 'a&b=c;d%20.gif', 'no extension']
    assert.deepEqual(named(...names), names)
  })

  it('are each there once, also where case and composition make no difference', () => {
    assert.deepEqual(named('photo.jpg', 'photo.jpg', 'PHOTO.JPG', 'photo (2).jpg', 'photo.jpg', 'photo'), [
      'photo.jpg',
      'photo (2).jpg',
      'PHOTO (3).JPG',
      'photo (2) (2).jpg',
      'photo (4).jpg',
      'photo',
    ])
    assert.deepEqual(named('\u00e9.jpg', 'e\u0301.jpg', '.jpg', '.jpg'), ['\u00e9.jpg', 'e\u0301 (2).jpg', '.jpg', '.jpg (2)'])
    const same = named(...Array.from({ length: 50_000 }, () => 'same.jpg'))
    assert.equal(new Set(same).size, 50_000)
    assert.equal(same.at(-1), 'same (50000).jpg')
  })

  it('lead nowhere else, and hide nothing', () => {
    const hostile = {
      '../../etc/passwd': '.._.._etc_passwd',
      '/etc/passwd': '_etc_passwd',
      'C:\\Windows\\x.jpg': 'C__Windows_x.jpg',
      '..': 'image',
      '. . .': 'image',
      '': 'image',
      '\0\u0007\u007f': 'image',
      'a\r\nb.jpg': 'ab.jpg',
      'photo\u202egpj.exe': 'photogpj.exe',
      'a<b>:"|?*.jpg': 'a_b______.jpg',
      'trailing. .': 'trailing',
      'CON.jpg': '_CON.jpg',
      lpt1: '_lpt1',
      'console.jpg': 'console.jpg',
      '\ud800.jpg': '\ufffd.jpg',
    }
    for (const [name, safe] of Object.entries(hostile)) assert.deepEqual(named(name), [safe])
  })

  it('are short enough for every disk', () => {
    for (const name of named(`${'x'.repeat(10_000)}.jpeg`, `${'x'.repeat(10_000)}.jpeg`, '写'.repeat(5_000)))
      assert.ok(Buffer.byteLength(name) <= 220, name)
  })
})
