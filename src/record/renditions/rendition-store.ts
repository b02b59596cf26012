// The contract of renditions: which of them images are to have, and which they have.
import type { Owner } from '../../access.ts'
import type { Image, Rendition } from '../../image.ts'
import type { Recipe } from '../../rendition/presets.ts'

/** A rendition that was made, with the image it is asked for. */
export interface FoundRendition {
  image: Image
  rendition: Rendition
}

export interface RenditionStore {
  /** Records what a recipe asks for, so that images can be recorded with it. Repeatable; by several servers at once, too. */
  addRecipe(recipe: Recipe): Promise<void>
  /** A completed image with what was made of it for `preset`; null if it is not there, not completed, or its recipe has no such preset. */
  find(id: string, preset: string, owner: Owner): Promise<FoundRendition | null>
}
