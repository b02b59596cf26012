// Images as the rows would give them, and outcomes as a child would, for tests that need no database or no pixels.
import { randomUUID } from 'node:crypto'
import type { Failure, Format, Image, Outcome, Picture } from '../../../src/image.ts'
import type { Finished, Output, Work } from '../../../src/record/work/work-store.ts'
import { parseOperation } from '../../../src/rendition/operation.ts'
import { RECIPE, type Recipe } from '../../../src/rendition/presets.ts'

/** What the picture of every sample shows: upright, larger than its outputs. */
export const samplePicture: Picture = { width: 3000, height: 2000, thumbhash: 'aGFzaA==' }

/** What a recipe makes of an original for a preset. */
export function operationFor(preset: string, format: Format = 'jpeg', recipe: Recipe = RECIPE): string {
  const output = recipe.outputs.find((one) => one.preset === preset && one.format === format)
  if (!output) throw new Error(`The recipe has no preset "${preset}" for ${format}`)
  return output.operation
}

/** Of the sample's picture: as wide as the operation has it, two thirds as high, and of a size that follows. */
export function sampleOutput(operation: string): Exclude<Output, { failure: Failure }> {
  const width = Math.min(parseOperation(operation).width, samplePicture.width!)
  return { operation, width, height: Math.round((width * 2) / 3), size: 10 * width }
}

/** All that the work asks for was made. */
export const madeOf = ({ sha256, token, operations }: Work): Finished => ({
  sha256,
  token,
  picture: samplePicture,
  outputs: operations.map(sampleOutput),
})

/** What everybody is told of an image whose work was finished by `madeOf`. */
export function sampleOutcome(format: Format = 'jpeg', recipe: Recipe = RECIPE): Outcome {
  return {
    ...samplePicture,
    image: sampleOutput(operationFor('image', format, recipe)),
    thumbnail: { operation: operationFor('thumbnail', format, recipe) },
  }
}

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
    recipe: RECIPE.id,
    status: 'pending',
    uploadedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
    finishedAt: null,
    outcome: null,
    failure: null,
    ...given,
  }
}

/** The same image, completed half a second after its upload. */
export const completed = (image: Image): Image => ({
  ...image,
  status: 'completed',
  finishedAt: image.uploadedAt + 500,
  outcome: sampleOutcome(image.format),
})
