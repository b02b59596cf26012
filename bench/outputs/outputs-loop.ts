// Develops images by the recipe, or each output by a call of sharp of its own, in one process, one after the other.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { rgbaToThumbHash } from 'thumbhash'
import type { Format } from '../../src/image.ts'
import { prepareDecoder } from '../../src/process/child/decoder.ts'
import { boxOf, encode, THUMBHASH_BOX } from '../../src/process/child/encoders.ts'
import { makeRenditions, type Making } from '../../src/process/child/make-renditions.ts'
import { parseOperation } from '../../src/rendition/operation.ts'
import { operationsOf, RECIPE } from '../../src/rendition/presets.ts'
import { inChild } from '../run/child.ts'

export interface OutputsInput {
  paths: string[]
  format: Format
  /** `recipe`: one decode serves all outputs. `separate`: a decode for each. */
  way: 'recipe' | 'separate'
  folder: string
}

/** The same outputs at the same settings, as one writes them who knows sharp's documentation. */
async function developSeparately({ originalPath: path, format, outputs }: Making): Promise<string> {
  const animated = format === 'gif'
  const open = (pages: number) => sharp(path, { failOn: 'error', pages })
  for (const { operation: text, path: target } of outputs) {
    const operation = parseOperation(text)
    // All frames lie below each other: turning them is no matter of one of them.
    const upright = animated && !operation.still ? open(-1) : open(1).autoOrient()
    await writeFile(target, await encode(upright.resize(boxOf(operation)), operation).toBuffer())
  }
  const tiny = open(1).autoOrient().resize(THUMBHASH_BOX).ensureAlpha().raw()
  const { data, info } = await tiny.toBuffer({ resolveWithObject: true })
  return Buffer.from(rgbaToThumbHash(info.width, info.height, data)).toString('base64')
}

inChild<OutputsInput>(async ({ paths, format, way, folder }, progress) => {
  prepareDecoder()
  const develop = async (path: string, name: string) => {
    const outputs = operationsOf(RECIPE, format).map((operation) => ({ operation, path: join(folder, `${name}.${operation}`) }))
    const making: Making = { format, originalPath: path, outputs }
    if (way === 'separate') await developSeparately(making)
    else await makeRenditions(making, Number.MAX_SAFE_INTEGER)
  }
  // Read once, so that no way pays for the disk; developed once, so that none pays for what a process does once.
  for (const path of paths) await readFile(path)
  await develop(paths[0]!, 'warm')
  return {
    async measure() {
      for (const [index, path] of paths.entries()) {
        await develop(path, String(index))
        progress(index + 1)
      }
    },
    tell: () => ({}),
  }
})
