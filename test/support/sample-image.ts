// Images as the rows would give them, for tests that need no database.
import { randomUUID } from 'node:crypto'
import { RECIPE, type Image, type Rendition } from '../../src/image.ts'

const sampleRendition: Rendition = { width: 1500, height: 1000, imageSize: 1000, thumbnailSize: 100, thumbhash: 'aGFzaA==' }

/** A pending image, but for what is given. */
export function sampleImage(given: Partial<Image> = {}): Image {
  return {
    id: randomUUID(),
    batchId: '11111111-2222-4333-8444-555555555555',
    ownerId: null,
    batchIndex: 0,
    name: 'photograph.jpg',
    format: 'jpeg',
    size: 123_456,
    sha256: 'ab'.repeat(32),
    recipe: RECIPE,
    status: 'pending',
    uploadedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
    finishedAt: null,
    rendition: null,
    failure: null,
    ...given,
  }
}

/** The same image, completed half a second after its upload. */
export const completed = (image: Image): Image => ({
  ...image,
  status: 'completed',
  finishedAt: image.uploadedAt + 500,
  rendition: sampleRendition,
})
