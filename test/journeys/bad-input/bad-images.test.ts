// Files that are no image, a damaged one, or one that claims too much: refused, or an error with its reason; nobody else is harmed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import type { Format } from '../../../src/image.ts'
import { badInput } from '../../support/inputs/bad-input.ts'
import { upload } from '../../support/clients/client.ts'
import { declare, sendFiles } from '../../support/clients/ledger.ts'
import { gifOfFrames, pngHeader, pngOfSize } from '../../support/inputs/hostile-images.ts'
import { photograph, smallPhotograph, smallPhotographs } from '../../support/inputs/photographs.ts'
import { threeFrames } from '../../process/avif-samples.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

const MAX_FILE_BYTES = 2_000_000

onEachTopology({ MAX_FILE_BYTES: String(MAX_FILE_BYTES) }, (server) => {
  const bad = badInput(server)

  describe('what is no image taken here', () => {
    const heic = Buffer.concat([Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), Buffer.alloc(200)])
    const bmp = Buffer.concat([
      Buffer.from('BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0', 'latin1'),
      Buffer.alloc(28),
    ])
    const files: Record<string, Uint8Array | string> = {
      'text named .jpg': 'This is a text.\n'.repeat(20),
      'a single byte': '\x89',
      SVG: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>',
      HTML: '<!doctype html><script>alert(1)</script>',
      PDF: '%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n',
      HEIC: heic,
      BMP: bmp,
      TIFF: Buffer.from('II*\0\x08\0\0\0\0\0', 'latin1'),
    }
    for (const [what, bytes] of Object.entries(files)) {
      test(what, async () => {
        await bad.refused(await bad.single('a.jpg', bytes), 415, 'unsupported_format', /JPEG, PNG, WebP, AVIF.* GIF/)
      })
    }

    test('a bad one among good ones is rejected, the others are taken', async () => {
      const [one, two] = (await smallPhotographs(2, { seed: 10 })) as [Buffer, Buffer]
      const answer = await upload(server, 'async', [
        { name: 'one.jpg', bytes: one },
        { name: 'notes.txt', bytes: Buffer.from('text') },
        { name: 'large.jpg', bytes: await smallPhotograph({ seed: 11, bytes: MAX_FILE_BYTES + 1 }) },
        { name: 'two.jpg', bytes: two },
      ])
      assert.equal(answer.status, 202, answer.text)
      assert.deepEqual(
        answer.body.images.map(({ name, job_id }) => [name, job_id]),
        [
          ['one.jpg', `${answer.body.job_id}-0`],
          ['two.jpg', `${answer.body.job_id}-3`],
        ],
      )
      assert.deepEqual(
        answer.body.rejected.map(({ name, code }) => [name, code]),
        [
          ['notes.txt', 'unsupported_format'],
          ['large.jpg', 'file_too_large'],
        ],
      )
    })

    test('where all are refused, the answer has the code of the first and the list of all', async () => {
      const { id } = await declare(server, [
        { name: 'notes.txt', size: 15 },
        { name: 'empty.jpg', size: 1 },
      ])
      const files = [
        { name: 'notes.txt', bytes: Buffer.from('This is a text.') },
        { name: 'empty.jpg', bytes: Buffer.alloc(0) },
        { name: 'large.jpg', bytes: await smallPhotograph({ seed: 11, bytes: MAX_FILE_BYTES + 1 }) },
      ]
      const codes = ['unsupported_format', 'empty_file', 'file_too_large'] as const
      const answers = {
        sync: await upload(server, 'sync', files.slice(0, 1)),
        async: await upload(server, 'async', files),
        batch: await upload(server, 'batch', files),
        keyed: await upload(server, 'batch', files, { key: crypto.randomUUID() }),
        declared: await sendFiles(
          server,
          id,
          files.slice(0, 2).map((file, index) => ({ ...file, index })),
        ),
      }
      for (const [endpoint, { status, body, text }] of Object.entries(answers)) {
        assert.deepEqual([status, body.code], [415, 'unsupported_format'], `${endpoint}: ${text}`)
        assert.ok(body.rejected, `${endpoint} has no list: ${text}`)
        assert.deepEqual(
          body.rejected.map(({ name, code, index }) => [name, code, index]),
          files.slice(0, body.rejected.length).map(({ name }, index) => [name, codes[index], index]),
          endpoint,
        )
        assert.equal(body.rejected.length, { sync: 1, declared: 2 }[endpoint] ?? 3)
        assert.equal(body.error, body.rejected[0]!.error)
        for (const { error } of body.rejected) assert.match(error, /\w+.*\./)
      }
      await bad.leavesNoRow()
    })

    test('PNG named .jpg is taken as what it is', async () => {
      const { status, body, text } = await bad.single('a.jpg', await photograph({ seed: 1, megapixels: 0.01, format: 'png' }))
      assert.equal(status, 200, text)
      assert.deepEqual([body.image.name, body.image.type], ['a.jpg', 'image/png'])
      assert.match(body.image.image!, /\.png$/)
      assert.equal((await fetch(server.url + body.image.image)).headers.get('content-type'), 'image/png')
    })
  })

  describe('images that are damaged, or too much', () => {
    for (const format of ['jpeg', 'png', 'webp', 'avif', 'gif'] as Format[]) {
      test(`${format}, truncated at every tenth of its length`, async () => {
        const whole = await photograph({ seed: 7, megapixels: 0.04, format })
        assert.equal((await bad.single(`whole.${format}`, whole)).status, 200)
        for (let tenth = 1; tenth < 10; tenth++) {
          await bad.failed(await bad.single(`${tenth}.${format}`, whole.subarray(0, (whole.length * tenth) / 10)), 'invalid_image')
        }
      })

      test(`${format}, nothing after its signature makes sense`, async () => {
        const whole = await photograph({ seed: 7, megapixels: 0.04, format })
        const broken = Buffer.concat([whole.subarray(0, 16), Buffer.alloc(5_000, 'broken')])
        await bad.failed(await bad.single(`broken.${format}`, broken), 'invalid_image')
      })
    }

    test('a GIF of 40,000 frames', async () => {
      await bad.failed(await bad.single('long.gif', gifOfFrames(40_000)), 'too_many_frames')
    })

    test('an image sequence is developed as its still image, and one without says so', async () => {
      const { status, body, text } = await bad.single('moves.avif', threeFrames)
      assert.deepEqual([status, body.image?.width, body.image?.height], [200, 64, 48], text)
      const still = Buffer.from(threeFrames.toString('latin1').replace('meta', 'free'), 'latin1')
      await bad.failed(await bad.single('moves-only.avif', still), 'no_still_image')
    })

    test('a PNG of 41 bytes whose header claims 786,464×32 at 16 bits', async () => {
      const bytes = Buffer.concat([
        pngHeader({ width: 786_464, height: 32, bits: 16, colour: 6 }),
        Buffer.from([0, 0, 0, 0, 0x49, 0x44, 0x41, 0x54]),
      ])
      assert.equal(bytes.length, 41)
      await bad.failed(await bad.single('claim.png', bytes), 'image_too_large')
    })

    test('17,000×17,000 pixels', async () => {
      await bad.failed(await bad.single('huge.png', pngOfSize(17_000, 17_000)), 'image_too_large')
    })

    test('65,536 pixels wide', async () => {
      await bad.failed(await bad.single('wide.png', pngOfSize(65_536, 1)), 'image_too_large')
    })

    test('10,000×10,000 pixels: sides that may be, but not both', async () => {
      await bad.failed(await bad.single('square.png', pngOfSize(10_000, 10_000)), 'image_too_large')
    })

    test('a PNG whose compressed comment unfolds to 100 MB', async () => {
      const bomb = deflateSync(Buffer.alloc(100_000_000))
      const answer = await bad.single('bomb.png', pngOfSize(10, 10, Buffer.concat([Buffer.from('note\0\0'), bomb])))
      assert.ok(answer.status === 200 || (answer.status === 422 && answer.body.code === 'invalid_image'), answer.text)
    })

    test('a file over the limit', async () => {
      const bytes = await smallPhotograph({ seed: 12, bytes: MAX_FILE_BYTES + 1 })
      await bad.refused(await bad.single('large.jpg', bytes), 413, 'file_too_large', /2000000/)
    })

    test('a file of exactly the limit is taken', async () => {
      assert.equal((await bad.single('full.jpg', await smallPhotograph({ seed: 12, bytes: MAX_FILE_BYTES }))).status, 200)
    })
  })
})
