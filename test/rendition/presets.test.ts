// Recipes: their ids follow from what they say and from nothing else, and they name an operation for each preset and format.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FORMATS, type Format } from '../../src/image.ts'
import { parseOperation } from '../../src/rendition/operation.ts'
import { generationOf, operationsOf, PRESETS, RECIPE, recipeOf, type Preset, type Presets } from '../../src/rendition/presets.ts'

const FORMAT_NAMES = Object.keys(FORMATS) as Format[]

const reversed = <T extends object>(value: T) => Object.fromEntries(Object.entries(value).reverse()) as T

/** As the built-in ones, with another one. */
const withThird = (third: Preset): Presets => ({ ...PRESETS, third })

describe('the id of a recipe', () => {
  const third: Preset = { width: 640, format: 'webp', quality: 60, still: true }

  it('is short, and fit for an address', () => assert.match(RECIPE.id, /^[0-9a-f]{8}$/))

  it('is the same whatever the order of presets and of their keys', () => {
    const presets = withThird(third)
    const shuffled = reversed({ image: reversed(presets.image), thumbnail: reversed(presets.thumbnail), third: reversed(third) })
    assert.notDeepEqual(Object.keys(shuffled), Object.keys(presets))
    assert.equal(recipeOf(shuffled).id, recipeOf(presets).id)
    assert.deepEqual(recipeOf({ ...PRESETS }).id, RECIPE.id)
  })

  it('is another one for each generation of a preset, each name of it, each set of presets, and each pipeline', () => {
    const generations: Preset[] = [
      third,
      { ...third, width: 641 },
      { ...third, format: 'same' },
      { ...third, format: 'jpeg' },
      { ...third, quality: 61 },
      { width: 640, format: 'webp', still: true },
      { width: 640, format: 'webp', quality: 60 },
    ]
    assert.equal(new Set(generations.map(generationOf)).size, generations.length)
    const recipes = [
      recipeOf(PRESETS, 1),
      recipeOf(PRESETS, 2),
      recipeOf(PRESETS, 12),
      ...generations.map((preset) => recipeOf(withThird(preset), 1)),
      recipeOf(withThird(third), 2),
      recipeOf({ ...PRESETS, fourth: third }, 1),
      recipeOf({ image: PRESETS.thumbnail, thumbnail: PRESETS.image }, 1),
    ]
    assert.equal(new Set(recipes.map(({ id }) => id)).size, recipes.length)
  })
})

describe('the outputs of a recipe', () => {
  it('are one operation for each preset and format, with the generation of the preset', () => {
    const presets = withThird({ width: 640, format: 'webp', quality: 60 })
    const { outputs } = recipeOf(presets, 3)
    assert.equal(outputs.length, 3 * FORMAT_NAMES.length)
    for (const { preset, format, generation, operation } of outputs) {
      const { width, format: wanted, ...rest } = presets[preset]!
      assert.deepEqual(parseOperation(operation), { width, format: wanted === 'same' ? format : wanted, pipeline: 3, ...rest })
      assert.equal(generation, generationOf(presets[preset]!))
    }
  })

  it('are for the built-in presets what versions before made', () => {
    for (const format of FORMAT_NAMES)
      assert.deepEqual(operationsOf(recipeOf(PRESETS, 1), format), [`w1500.p1.${FORMATS[format].extension}`, 'w320-still.p1.webp'])
  })

  it('are made once where two presets ask for the same', () => {
    const recipe = recipeOf({ ...PRESETS, same: PRESETS.thumbnail, asWebp: { width: 1500, format: 'webp' } }, 1)
    assert.deepEqual(operationsOf(recipe, 'jpeg'), ['w1500.p1.jpg', 'w320-still.p1.webp', 'w1500.p1.webp'])
    assert.deepEqual(operationsOf(recipe, 'webp'), ['w1500.p1.webp', 'w320-still.p1.webp'])
  })
})
