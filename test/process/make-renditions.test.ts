// Renditions of every format, and what is refused of bad input, in this process and without a pool.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import type { ErrorCode } from '../../src/error-codes.ts'
import { FORMATS, type Format } from '../../src/image.ts'
import { isSrgb } from '../../src/process/child/colour-profile.ts'
import { prepareDecoder } from '../../src/process/child/decoder.ts'
import { makeRenditions } from '../../src/process/child/make-renditions.ts'
import { operationsOf, RECIPE } from '../../src/rendition/presets.ts'
import { animation, createDarkroom, encoded, gifOfFrames, hasOutputs, pathsOf, photo, png } from './pictures.ts'

const MAX_PIXELS = 50_000_000
const ALL = Object.keys(FORMATS) as Format[]
const nameInSharp = (format: Format) => (format === 'avif' ? 'heif' : format)

let darkroom: Awaited<ReturnType<typeof createDarkroom>>
// Pictures a codec is told not to read are made before it is told.
let strangers: Record<string, Buffer>
before(async () => {
  darkroom = await createDarkroom()
  strangers = {
    tiff: await photo(20, 20).tiff().toBuffer(),
    svg: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'),
    pdf: Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>'),
    bmp: Buffer.concat([Buffer.from('424d3a0000000000000036000000280000000100000001000000010018', 'hex'), Buffer.alloc(40)]),
    ppm: Buffer.from('P6 1 1 255\nabc', 'latin1'),
    html: Buffer.from('<!doctype html><title>no</title>'),
    nothing: Buffer.alloc(0),
  }
  prepareDecoder()
})
after(() => darkroom.remove())

/** Makes these outputs; each with its bytes and what its own header says, by its operation. */
async function make(bytes: Uint8Array, format: Format, operations?: string[], maxPixels = MAX_PIXELS) {
  const task = await darkroom.task(bytes, format, operations)
  const { picture, outputs } = await makeRenditions(task, maxPixels)
  assert.deepEqual(outputs.map(({ operation }) => operation).sort(), task.outputs.map(({ operation }) => operation).sort())
  const made = await Promise.all(
    task.outputs.map(async ({ operation, path }) => {
      const output = outputs.find((one) => one.operation === operation)!
      if ('failure' in output) return assert.fail(output.failure.error)
      const file = await readFile(path)
      assert.equal(output.size, file.length)
      return [operation, { ...output, file, header: await sharp(file).metadata() }] as const
    }),
  )
  return { picture, made: new Map(made) }
}

/** Makes what an upload becomes. */
async function develop(bytes: Uint8Array, format: Format, maxPixels?: number) {
  const { picture, made } = await make(bytes, format, undefined, maxPixels)
  const [image, thumbnail] = [...made.values()]
  return {
    picture,
    rendition: { width: image!.width, height: image!.height },
    image: image!.file,
    header: image!.header,
    thumbnail: thumbnail!.file,
    thumbnailHeader: thumbnail!.header,
    thumbnailSize: { width: thumbnail!.width, height: thumbnail!.height },
  }
}

async function refuses(bytes: Uint8Array, format: Format, code: ErrorCode, sentence?: RegExp) {
  const task = await darkroom.task(bytes, format)
  await assert.rejects(makeRenditions(task, MAX_PIXELS), (error: { code: string; message: string }) => {
    assert.equal(error.code, code)
    assert.doesNotMatch(error.message, /vips|lib(png|jpeg|webp)|calotype-process/i)
    if (sentence) assert.match(error.message, sentence)
    return true
  })
  assert.equal(hasOutputs(task), false)
}

/** The colour at a place of an image, given in parts of its sides. */
async function colourAt(image: Buffer, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(image).toColourspace('srgb').raw().toBuffer({ resolveWithObject: true })
  const at = (Math.floor(y * info.height) * info.width + Math.floor(x * info.width)) * info.channels
  return [...data.subarray(at, at + info.channels)]
}
const near = (actual: number[], expected: number[], tolerance: number) =>
  assert.ok(
    expected.every((value, i) => Math.abs(value - (actual[i] ?? NaN)) <= tolerance),
    `${actual.join()} is not ${expected.join()}`,
  )

describe('sizes and formats', () => {
  for (const format of ALL) {
    test(`${format}: at most 1500 px wide, in its own format, with a thumbnail of 320 px`, async () => {
      const { picture, rendition, header, thumbnailHeader, thumbnailSize } = await develop(await encoded(photo(1800, 1200), format), format)
      assert.deepEqual([header.format, header.width, header.height], [nameInSharp(format), 1500, 1000])
      assert.deepEqual([thumbnailHeader.format, thumbnailHeader.width, thumbnailHeader.height], ['webp', 320, 213])
      assert.deepEqual(rendition, { width: 1500, height: 1000 })
      assert.deepEqual(thumbnailSize, { width: 320, height: 213 })
      assert.deepEqual([picture.width, picture.height], [1800, 1200])
      assert.ok(Buffer.from(picture.thumbhash, 'base64').length >= 10)
    })
    test(`${format}: one pixel stays one pixel`, async () => {
      const { rendition, thumbnailHeader } = await develop(await encoded(photo(1, 1), format), format)
      assert.deepEqual([rendition.width, rendition.height, thumbnailHeader.width, thumbnailHeader.height], [1, 1, 1, 1])
    })
  }
  test('the same original gives the same outputs', async () => {
    const original = await encoded(photo(900, 700), 'jpeg')
    const [one, two] = [await develop(original, 'jpeg'), await develop(original, 'jpeg')]
    assert.deepEqual([one.picture, one.image, one.thumbnail], [two.picture, two.image, two.thumbnail])
  })
  test('very wide and very tall', async () => {
    const wide = await develop(await encoded(photo(16_384, 1), 'png'), 'png')
    assert.deepEqual([wide.rendition.width, wide.rendition.height, wide.thumbnailHeader.width], [1500, 1, 320])
    const tall = await develop(await encoded(photo(1, 16_384), 'jpeg'), 'jpeg')
    assert.deepEqual([tall.rendition.width, tall.rendition.height, tall.thumbnailHeader.height], [1, 16_384, 16_383])
  })
})

describe('pixels', () => {
  // Red, green, blue and white quarters, as they should be seen.
  const seen = [
    [255, 0, 0],
    [0, 200, 0],
    [0, 0, 255],
    [255, 255, 255],
  ]
  const [W, H] = [120, 80]
  // Where a camera keeps, for each EXIF orientation, what is seen: the place seen of a place stored.
  const seenAt: Record<number, (x: number, y: number) => [number, number]> = {
    1: (x, y) => [x, y],
    2: (x, y) => [W - 1 - x, y],
    3: (x, y) => [W - 1 - x, H - 1 - y],
    4: (x, y) => [x, H - 1 - y],
    5: (x, y) => [y, x],
    6: (x, y) => [W - 1 - y, x],
    7: (x, y) => [W - 1 - y, H - 1 - x],
    8: (x, y) => [y, H - 1 - x],
  }
  const store = (orientation: number) => {
    const [width, height] = orientation < 5 ? [W, H] : [H, W]
    const colours = Array.from({ length: W * H }, (_, i) => {
      const [x, y] = seenAt[orientation]!(i % width, Math.floor(i / width))
      return seen[(y < H / 2 ? 0 : 2) + (x < W / 2 ? 0 : 1)]!
    })
    return sharp(Buffer.from(colours.flat()), { raw: { width, height, channels: 3 } })
  }
  for (let orientation = 1; orientation <= 8; orientation++) {
    for (const format of ['jpeg', 'png', 'webp', 'avif'] as const) {
      test(`orientation ${orientation} of ${format} is upright`, async () => {
        const original = await store(orientation).withMetadata({ orientation }).toFormat(format, { quality: 90 }).toBuffer()
        const { picture, image, header, thumbnail } = await develop(original, format)
        assert.deepEqual([header.width, header.height, header.orientation], [120, 80, undefined])
        assert.deepEqual([picture.width, picture.height], [120, 80])
        for (const output of [image, thumbnail]) {
          near(await colourAt(output, 0.25, 0.25), seen[0]!, 40)
          near(await colourAt(output, 0.75, 0.25), seen[1]!, 40)
          near(await colourAt(output, 0.25, 0.75), seen[2]!, 40)
          near(await colourAt(output, 0.75, 0.75), seen[3]!, 40)
        }
      })
    }
  }
  const red = { create: { width: 64, height: 48, channels: 3, background: { r: 220, g: 30, b: 40 } } } as const
  test('CMYK becomes sRGB', async () => {
    const { image, header } = await develop(await sharp(red).toColourspace('cmyk').jpeg({ quality: 95 }).toBuffer(), 'jpeg')
    assert.deepEqual([header.space, header.channels, header.hasProfile], ['srgb', 3, false])
    near(await colourAt(image, 0.5, 0.5), [220, 30, 40], 40)
  })
  test('a wide colour profile is applied, then dropped', async () => {
    const original = await sharp(red).withIccProfile('p3').png().toBuffer()
    assert.equal((await sharp(original).metadata()).hasProfile, true)
    const { image, header } = await develop(original, 'png')
    assert.equal(header.hasProfile, false)
    near(await colourAt(image, 0.5, 0.5), [220, 30, 40], 6)
  })
  test('an sRGB profile is known for what it is, others are not', async () => {
    const icc = async (profile: string) => (await sharp(await sharp(red).withIccProfile(profile).png().toBuffer()).metadata()).icc
    assert.equal(isSrgb(await icc('srgb')), true)
    assert.equal(isSrgb(await icc('p3')), false)
    assert.equal(isSrgb(await icc('cmyk')), false)
    const srgb = (await icc('srgb'))!
    for (let length = 0; length < srgb.length; length += 7) isSrgb(srgb.subarray(0, length))
    const { image, header } = await develop(await sharp(red).withIccProfile('srgb').png().toBuffer(), 'png')
    assert.equal(header.hasProfile, false)
    assert.deepEqual(await colourAt(image, 0.5, 0.5), [220, 30, 40])
  })
  test('16 bits, greyscale and a palette become 8 bits sRGB', async () => {
    for (const picture of [sharp(red).toColourspace('rgb16').png(), sharp(red).greyscale().png(), sharp(red).png({ palette: true })]) {
      const { header } = await develop(await picture.toBuffer(), 'png')
      assert.deepEqual([header.space, header.depth, header.channels], ['srgb', 'uchar', 3])
    }
  })
  for (const format of ['png', 'webp', 'avif', 'gif'] as const) {
    test(`${format}: what is transparent stays transparent`, async () => {
      const half = Buffer.from(Array.from({ length: 64 * 48 }, (_, i) => [220, 30, 40, i % 64 < 32 ? 255 : 0]).flat())
      const original = sharp(half, { raw: { width: 64, height: 48, channels: 4 } }).toFormat(format, { quality: 90 })
      const { image, thumbnail } = await develop(await original.toBuffer(), format)
      for (const output of [image, thumbnail]) {
        near(await colourAt(output, 0.2, 0.5), [220, 30, 40, 255], 40)
        assert.ok((await colourAt(output, 0.8, 0.5))[3]! < 20)
      }
    })
  }
  test('no metadata of the camera or the place is left', async () => {
    const exif = { IFD0: { Make: 'Daguerre', Copyright: 'me' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '48/1 51/1 0/1' } }
    for (const format of ['jpeg', 'png', 'webp', 'avif'] as const) {
      const original = await photo(100, 80).withExif(exif).withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>').toFormat(format).toBuffer()
      assert.ok(original.includes('Daguerre'))
      const { image, thumbnail, header } = await develop(original, format)
      assert.deepEqual([header.exif, header.xmp, header.iptc, header.icc], [undefined, undefined, undefined, undefined])
      assert.equal(image.includes('Daguerre') || thumbnail.includes('Daguerre'), false)
    }
  })
})

describe('outputs of one task', () => {
  /** Of two pictures of the same size, on average, of 255. */
  async function difference(a: Buffer, b: Buffer): Promise<number> {
    const [one, two] = await Promise.all([a, b].map((file) => sharp(file).raw().toBuffer()))
    assert.equal(one!.length, two!.length)
    return one!.reduce((sum, value, i) => sum + Math.abs(value - two![i]!), 0) / one!.length
  }
  const THUMBNAIL = 'w320-still.p1.webp'

  test('each has its own size, format and quality', async () => {
    const operations = ['w1500.p1.jpg', 'w640-q60.p1.webp', THUMBNAIL]
    const { picture, made } = await make(await encoded(photo(1800, 1200), 'jpeg'), 'jpeg', operations)
    assert.deepEqual([picture.width, picture.height], [1800, 1200])
    assert.deepEqual(
      operations.map((operation) => {
        const { width, height, header } = made.get(operation)!
        return [width, height, header.width, header.height, header.format]
      }),
      [
        [1500, 1000, 1500, 1000, 'jpeg'],
        [640, 427, 640, 427, 'webp'],
        [320, 213, 320, 213, 'webp'],
      ],
    )
  })
  test('a lower quality is a smaller file', async () => {
    const operations = ['w640-q30.p1.webp', 'w640.p1.webp', 'w640-q30.p1.jpg', 'w640.p1.jpg', 'w640-q30.p1.avif', 'w640.p1.avif']
    const { made } = await make(await encoded(photo(900, 700), 'png'), 'png', operations)
    const sizes = operations.map((operation) => made.get(operation)!.size)
    for (const at of [0, 2, 4]) assert.ok(sizes[at]! < sizes[at + 1]!, `${operations[at]}: ${sizes.join()}`)
  })
  test('the order in which they are asked for makes no difference', async () => {
    const operations = ['w1500.p1.jpg', 'w640-q60.p1.webp', THUMBNAIL]
    const original = await encoded(photo(1800, 1200), 'jpeg')
    const [one, two] = [await make(original, 'jpeg', operations), await make(original, 'jpeg', operations.toReversed())]
    assert.deepEqual(one.picture, two.picture)
    for (const operation of operations) assert.deepEqual(one.made.get(operation), two.made.get(operation))
  })
  for (const format of ALL) {
    test(`${format}: made alone, a thumbnail is the same to the eye, and so is the picture`, async () => {
      const original = await encoded(photo(2400, 1600), format)
      const operations = operationsOf(RECIPE, format)
      const [beside, alone] = [await make(original, format, operations), await make(original, format, [THUMBNAIL])]
      assert.deepEqual([alone.picture.width, alone.picture.height], [beside.picture.width, beside.picture.height])
      assert.equal(alone.made.size, 1)
      assert.ok((await difference(alone.made.get(THUMBNAIL)!.file, beside.made.get(THUMBNAIL)!.file)) <= 4)
    })
  }
  test('nothing but the picture, where nothing is to be made', async () => {
    const { picture, made } = await make(await encoded(photo(200, 100), 'png'), 'png', [])
    assert.deepEqual([picture.width, picture.height, made.size], [200, 100, 0])
    assert.ok(Buffer.from(picture.thumbhash, 'base64').length >= 10)
  })
  for (const format of ['gif', 'webp'] as const) {
    test(`an animated ${format}: all frames where the format has them and the operation wants them, else the first`, async () => {
      const original = await animation(format, 5, [100, 200, 300, 400, 500], 3, 400)
      const frames: [operation: string, frames: number][] = [
        ['w200.p1.gif', 5],
        ['w200.p1.webp', 5],
        ['w200-still.p1.gif', 1],
        ['w200-still.p1.webp', 1],
        ['w200.p1.jpg', 1],
        ['w200.p1.avif', 1],
        ['w200-still.p1.png', 1],
      ]
      const { picture, made } = await make(
        original,
        format,
        frames.map(([operation]) => operation),
      )
      assert.deepEqual([picture.width, picture.height], [400, 400])
      for (const [operation, pages] of frames) {
        const { header, width, height, file } = made.get(operation)!
        assert.deepEqual([header.pages ?? 1, width, height], [pages, 200, 200], operation)
        if (pages > 1) assert.deepEqual([header.delay, header.loop], [[100, 200, 300, 400, 500], 3], operation)
        near(await colourAt(file, 0.5, 0.5), [0, 0, 0], 4)
      }
    })
  }
  test('one whose encoder refuses it fails alone', async () => {
    const task = await darkroom.task(await encoded(photo(900, 700), 'jpeg'), 'jpeg', ['w640.p1.avif', 'w640.p1.png', THUMBNAIL])
    // None of those that are taken in is too large for a format: an encoder that is not there refuses all.
    sharp.block({ operation: ['VipsForeignSaveHeif'] })
    const { picture, outputs } = await makeRenditions(task, MAX_PIXELS).finally(() => sharp.unblock({ operation: ['VipsForeignSaveHeif'] }))
    assert.deepEqual([picture.width, picture.height], [900, 700])
    assert.deepEqual(
      outputs.map((output) => [output.operation, 'failure' in output ? output.failure.code : output.width]),
      [
        ['w640.p1.avif', 'internal'],
        ['w640.p1.png', 640],
        [THUMBNAIL, 320],
      ],
    )
    assert.deepEqual(
      pathsOf(task).map((path) => existsSync(path)),
      [false, true, true],
    )
  })
})

describe('animations', () => {
  for (const format of ['gif', 'webp'] as const) {
    test(`${format}: frames, delays and loop are kept; the thumbnail is the first frame`, async () => {
      const { header, rendition, thumbnail, thumbnailHeader } = await develop(
        await animation(format, 5, [100, 200, 300, 400, 500], 3),
        format,
      )
      assert.deepEqual([header.pages, header.delay, header.loop], [5, [100, 200, 300, 400, 500], 3])
      assert.deepEqual([rendition.width, rendition.height, thumbnailHeader.pages ?? 1], [40, 40, 1])
      near(await colourAt(thumbnail, 0.5, 0.5), [0, 0, 0], 4)
    })
  }
  test('a wide one is made smaller, each frame', async () => {
    const { header, rendition } = await develop(await animation('gif', 3, [50, 50, 50], 0, 1600), 'gif')
    assert.deepEqual([header.pages, header.width, header.height, header.loop], [3, 1500, 1500, 0])
    assert.deepEqual([rendition.width, rendition.height], [1500, 1500])
  })
  test('a GIF keeps frames that are alike, and one of one frame stays one', async () => {
    assert.equal((await develop(gifOfFrames(7), 'gif')).header.pages, 7)
    assert.equal((await develop(gifOfFrames(1), 'gif')).header.pages ?? 1, 1)
  })
})

describe('refused by the header', () => {
  test('sides, pixels and frames beyond the limits', async () => {
    await refuses(png(786_432, 32, 16), 'png', 'image_too_large', /786432×32 .*16384/)
    await refuses(png(17_000, 17_000, 8), 'png', 'image_too_large', /17000×17000/)
    await refuses(png(65_536, 1, 8), 'png', 'image_too_large', /65536×1/)
    await refuses(png(16_384, 16_384, 8), 'png', 'image_too_large', /50000000/)
    await refuses(gifOfFrames(40_000), 'gif', 'too_many_frames', /more than 500 frames/)
    await refuses(gifOfFrames(501), 'gif', 'too_many_frames')
    assert.equal((await develop(gifOfFrames(500), 'gif')).header.pages, 500)
  })
  test('the pixels of all frames count together', async () => {
    const five = await animation('webp', 5, [10, 10, 10, 10, 10], 0)
    await assert.rejects(develop(five, 'webp', 5 * 40 * 40 - 1), { code: 'image_too_large' })
    await develop(five, 'webp', 5 * 40 * 40)
  })
  test('another format than announced, and every format that is not taken', async () => {
    await refuses(await encoded(photo(20, 20), 'png'), 'jpeg', 'invalid_image')
    for (const bytes of Object.values(strangers)) for (const format of ALL) await refuses(bytes, format, 'invalid_image')
  })
  test('an original that is gone is no fault of the image', async () => {
    const task = await darkroom.task(Buffer.alloc(0), 'png')
    await assert.rejects(makeRenditions({ ...task, originalPath: `${task.originalPath}-gone` }, MAX_PIXELS), {
      code: 'storage_unavailable',
    })
  })
})

describe('damaged files', () => {
  for (const format of ALL) {
    test(`${format} cut off at every tenth of its length ends, one way or the other`, async () => {
      const whole = format === 'gif' ? await animation('gif', 6, Array<number>(6).fill(20), 0, 200) : await encoded(photo(640, 480), format)
      let refused = 0
      for (let tenth = 1; tenth < 10; tenth++) {
        const task = await darkroom.task(whole.subarray(0, Math.floor((whole.length * tenth) / 10)), format)
        await makeRenditions(task, MAX_PIXELS).then(
          async ({ outputs }) => {
            const image = outputs.find(({ operation }) => operation === task.outputs[0]!.operation)!
            assert.equal((await stat(pathsOf(task)[0])).size, 'size' in image && image.size)
          },
          ({ code }: { code: string }) => assert.equal((refused++, code), 'invalid_image'),
        )
      }
      assert.ok(refused > 0)
    })
  }
  test('a PNG whose pixels end early', () => refuses(png(300, 300, 8, Buffer.alloc(300 * 3 * 20)), 'png', 'invalid_image'))
})
