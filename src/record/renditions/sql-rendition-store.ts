// The rendition store on SQL.
import type { Database } from '../../db/schema.ts'
import { findRendition } from './find-rendition.ts'
import { addRecipe } from './recipes.ts'
import type { RenditionStore } from './rendition-store.ts'

export function createSqlRenditionStore({ read, write }: Database): RenditionStore {
  return {
    addRecipe: (recipe) => addRecipe(write, recipe),
    find: (id, preset, owner) => findRendition(read, id, preset, owner),
  }
}
