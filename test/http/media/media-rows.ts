// Images and their renditions as far as media ask for them, without a database.
import { isSeenBy, type Owner } from '../../../src/access.ts'
import type { MediaDeps } from '../../../src/http/media/media.ts'
import type { Image, Rendition } from '../../../src/image.ts'
import { RECIPE, type Recipe } from '../../../src/rendition/presets.ts'
import { completed, operationFor, sampleOutput } from '../../support/inputs/sample-image.ts'

export function createMediaRows(recipe: Recipe = RECIPE) {
  const rows = new Map<string, { image: Image; renditions: Rendition[] }>()
  const seen = (id: string, owner: Owner) => {
    const row = rows.get(id)
    return row && isSeenBy(owner, row.image) ? row : null
  }
  const images: MediaDeps['images'] = { get: async (id, owner) => seen(id, owner)?.image ?? null }
  const renditions: MediaDeps['renditions'] = {
    async find(id, preset, owner) {
      const row = seen(id, owner)
      const rendition = row?.renditions.find((one) => one.preset === preset)
      return row && rendition ? { image: row.image, rendition } : null
    },
  }
  return {
    images,
    renditions,
    /** One that waits. */
    add(image: Image): Image {
      rows.set(image.id, { image, renditions: [] })
      return image
    },
    /** One that is completed, with renditions of so many bytes by their presets. */
    addCompleted(image: Image, sizes: Record<string, number>): Image {
      const renditions = Object.entries(sizes).map(([preset, size]) => ({
        ...sampleOutput(operationFor(preset, image.format, recipe)),
        preset,
        size,
      }))
      rows.set(image.id, { image: completed(image), renditions })
      return completed(image)
    },
  }
}
