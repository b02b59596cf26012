// Recipes in rows, so that what an image is to become can be told from the database alone, by any later version.
import type { Kysely } from 'kysely'
import type { Schema } from '../../db/schema.ts'
import type { Recipe } from '../../rendition/presets.ts'

/** Repeatable; by several servers at once, too. */
export async function addRecipe(db: Kysely<Schema>, { id, outputs }: Recipe): Promise<void> {
  await db
    .insertInto('recipe_outputs')
    .values(outputs.map((output) => ({ recipe: id, ...output })))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}
