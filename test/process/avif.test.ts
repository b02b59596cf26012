// AVIF whose decoder needs help: grey of limited range comes out with its contrast, an image sequence as its still image.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { readAvif } from '../../src/process/checks/avif.ts'
import { prepareDecoder } from '../../src/process/child/decoder.ts'
import { makeRenditions } from '../../src/process/child/make-renditions.ts'
import * as samples from './avif-samples.ts'
import { createDarkroom, hasOutputs, pathsOf } from './pictures.ts'

const MAX_PIXELS = 1_000_000

let darkroom: Awaited<ReturnType<typeof createDarkroom>>
before(async () => {
  darkroom = await createDarkroom()
  prepareDecoder()
})
after(() => darkroom.remove())

/** The pixel in the middle of the image and of its thumbnail. */
async function develop(original: Buffer): Promise<number[][]> {
  const task = await darkroom.task(original, 'avif')
  await makeRenditions(task, MAX_PIXELS)
  assert.deepEqual(await readFile(task.originalPath), original, 'the original is left as it is')
  return Promise.all(
    pathsOf(task).map(async (path) => {
      const { data, info } = await sharp(path).toColourspace('srgb').raw().toBuffer({ resolveWithObject: true })
      const at = (Math.floor(info.height / 2) * info.width + Math.floor(info.width / 2)) * info.channels
      return [...data.subarray(at, at + info.channels)]
    }),
  )
}

function near(actual: number[], expected: number[]) {
  const isNear = actual.length === expected.length && expected.every((value, i) => Math.abs(value - actual[i]!) <= 2)
  assert.ok(isNear, `${actual.join()} is not ${expected.join()}`)
}

/** The same file with boxes of another name, which are passed over. */
const without = (type: string, file: Buffer) => Buffer.from(file.toString('latin1').replaceAll(type, 'free'), 'latin1')

// ITU-R BT.601: (63 − 16) × 255 / 219 = 54.7, and the same of 4 × 63 and 16 × 63 in 10 and 12 bits.
const RIGHT = 55

describe('grey of limited range', () => {
  const greys = {
    '8 bits': samples.greyOf8Bits,
    '10 bits': samples.greyOf10Bits,
    '12 bits': samples.greyOf12Bits,
    'a grid': samples.greyGrid,
  }
  for (const [name, file] of Object.entries(greys)) {
    test(`${name}: black is black again`, async () => {
      for (const pixel of await develop(file)) near(pixel, [RIGHT, RIGHT, RIGHT])
    })
    test(`${name}: the range is that of the bitstream where no colour box names it`, async () => {
      for (const pixel of await develop(without('colr', file))) near(pixel, [RIGHT, RIGHT, RIGHT])
    })
  }
  test('alpha is left as it is', async () => {
    for (const pixel of await develop(samples.greyWithAlpha)) near(pixel, [RIGHT, RIGHT, RIGHT, 128])
  })
  test('grey of full range is left as it is, by its colour box or its bitstream', async () => {
    for (const file of [samples.greyOfFullRange, without('colr', samples.greyOfFullRange)]) {
      for (const pixel of await develop(file)) near(pixel, [63, 63, 63])
    }
  })
  test('colours of limited range are converted once, by the decoder', async () => {
    for (const pixel of await develop(samples.colour)) near(pixel, [RIGHT, RIGHT, RIGHT])
  })
  test('of a file that is cut or changed anywhere is decided without an error', () => {
    const path = join(darkroom.folder, 'changed')
    for (const file of [samples.greyGrid, without('colr', samples.greyOf8Bits)]) {
      for (let at = 8; at < file.length; at++) {
        const changed = Buffer.from(file)
        changed[at] = changed[at]! ^ 0xff
        for (const bytes of [file.subarray(0, at), changed]) {
          writeFileSync(path, bytes)
          assert.equal(typeof readAvif(path).isLimitedMonochrome, 'boolean')
        }
      }
    }
  })
})

describe('an image sequence', () => {
  test('is developed as its still image', async () => {
    for (const pixel of await develop(samples.threeFrames)) near(pixel, [254, 0, 0])
  })
  test('that has no still image is refused with what it is and what to do', async () => {
    const task = await darkroom.task(without('meta', samples.threeFrames), 'avif')
    await assert.rejects(makeRenditions(task, MAX_PIXELS), {
      code: 'no_still_image',
      message: /animation without a still image.*Save it as/,
    })
    assert.equal(hasOutputs(task), false)
  })
  test('that is damaged leaves nothing behind', async () => {
    const task = await darkroom.task(samples.threeFrames.subarray(0, 700), 'avif')
    await assert.rejects(makeRenditions(task, MAX_PIXELS), { code: 'invalid_image' })
    assert.equal(hasOutputs(task), false)
  })
})
