// An image as clients see it, in each of its states.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toApiImage, toNotification } from '../../src/http/wire/images.ts'
import { FORMATS, type Format } from '../../src/image.ts'
import { RECIPE } from '../../src/rendition/presets.ts'
import { completed, sampleImage } from '../support/inputs/sample-image.ts'

describe('wire', () => {
  it('shows a completed image whole', () => {
    const image = sampleImage({ batchIndex: 12 })
    assert.deepEqual(toApiImage(completed(image)), {
      id: image.id,
      job_id: '11111111-2222-4333-8444-555555555555-12',
      name: 'photograph.jpg',
      type: 'image/jpeg',
      size: 123_456,
      status: 'completed',
      uploaded_at: '2026-01-02T03:04:05.000Z',
      finished_at: '2026-01-02T03:04:05.500Z',
      upload_time: '0.5 seconds',
      image: `/media/images/${image.id}-${RECIPE.id}.jpg`,
      thumbnail: `/media/thumbnails/${image.id}-${RECIPE.id}.webp`,
      thumbhash: 'aGFzaA==',
      width: 1500,
      height: 1000,
      error: null,
      code: null,
    })
  })

  it('shows no address, time or size before there is one', () => {
    for (const status of ['pending', 'processing'] as const) {
      const shown = toApiImage(sampleImage({ status }))
      for (const field of ['finished_at', 'upload_time', 'image', 'thumbnail', 'thumbhash', 'width', 'height', 'error', 'code'] as const)
        assert.equal(shown[field], null, `${field} of ${status}`)
    }
  })

  it('shows why an image failed', () => {
    const failure = { code: 'invalid_image', error: 'The image is cut off.' } as const
    const image = sampleImage({ status: 'error', failure, finishedAt: sampleImage().uploadedAt + 65_049 })
    const shown = toApiImage(image)
    assert.deepEqual([shown.error, shown.code, shown.image, shown.upload_time], [failure.error, failure.code, null, '65.0 seconds'])
    const told = toNotification({ seq: 'e.1', image })
    assert.deepEqual([told.message, told.error, told.code, told.seq], [failure.error, failure.error, failure.code, 'e.1'])
  })

  it('names each format by its own extension and type', () => {
    for (const format of Object.keys(FORMATS) as Format[]) {
      const shown = toApiImage(completed(sampleImage({ format })))
      assert.ok(shown.image?.endsWith(`-${RECIPE.id}.${FORMATS[format].extension}`))
      assert.equal(shown.type, FORMATS[format].type)
    }
  })

  it('gives no negative time when the clock was set back', () => {
    const image = sampleImage()
    assert.equal(toApiImage({ ...completed(image), finishedAt: image.uploadedAt - 60_000 }).upload_time, '0.0 seconds')
  })
})
