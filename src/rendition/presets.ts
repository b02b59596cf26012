// Presets: names for operations. Those here are eager: made of every image as it is uploaded, all from one decode.
import { createHash } from 'node:crypto'
import { FORMATS, type Format } from '../image.ts'
import { operationText, PIPELINE, type Operation } from './operation.ts'

export interface Preset {
  /** Pixels, at most. */
  width: number
  /** `same`: the format of the original. */
  format: Format | 'same'
  /** 1 to 100; without it, the default of the format. */
  quality?: number
  /** Of an animation, its first frame; without it, all frames, where the format has them. */
  still?: true
}

/** The eager presets, by name. To add one is to add an entry. `image` and `thumbnail` are shown by the page and can't be left out. */
export const PRESETS = {
  image: { width: 1500, format: 'same' },
  thumbnail: { width: 320, format: 'webp', still: true },
} as const satisfies Presets

export type Presets = { readonly image: Preset; readonly thumbnail: Preset } & Readonly<Record<string, Preset>>

/** One preset, for originals of one format. */
export interface RecipeOutput {
  preset: string
  /** Of the preset: another definition under the same name is another generation. */
  generation: string
  /** Of the original. */
  format: Format
  /** `operationText`. */
  operation: string
}

/**
 * What an upload is to become: the generations of all eager presets as they were at that time. Immutable. An image keeps the one it was
 * uploaded with, whatever the presets become later.
 */
export interface Recipe {
  id: string
  outputs: readonly RecipeOutput[]
}

const ID_CHARACTERS = 8

/** The same for equal values, whatever the order of their keys. */
function shortHash(value: object): string {
  const json = JSON.stringify(value, Object.keys(value).sort())
  return createHash('sha256').update(json).digest('hex').slice(0, ID_CHARACTERS)
}

/** An immutable definition of a preset, by the hash of its canonical JSON. */
export const generationOf = (preset: Preset): string => shortHash(preset)

const operationOf = (preset: Preset, original: Format, pipeline: number): Operation => ({
  ...preset,
  format: preset.format === 'same' ? original : preset.format,
  pipeline,
})

/** The recipe of these presets; its id follows from their generations and the pipeline. */
export function recipeOf(presets: Presets, pipeline = PIPELINE): Recipe {
  const generations = Object.fromEntries(Object.entries(presets).map(([name, preset]) => [name, generationOf(preset)]))
  const outputs = Object.entries(presets).flatMap(([name, preset]) =>
    (Object.keys(FORMATS) as Format[]).map((format) => ({
      preset: name,
      generation: generations[name]!,
      format,
      operation: operationText(operationOf(preset, format, pipeline)),
    })),
  )
  return { id: shortHash({ ...generations, '': pipeline }), outputs }
}

/** Of the presets above: what an upload becomes now. */
export const RECIPE = recipeOf(PRESETS)

/** The operations that an original of this format is to become, each once. */
export const operationsOf = ({ outputs }: Recipe, format: Format): string[] => [
  ...new Set(outputs.filter((output) => output.format === format).map(({ operation }) => operation)),
]
