// Develops images by the recipe, or each output by a call of sharp of its own, in one process, one after the other.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { rgbaToThumbHash } from 'thumbhash'
import type { Format } from '../src/image.ts'
import { prepareDecoder } from '../src/process/decoder.ts'
import { encode, IMAGE_BOX, THUMBHASH_BOX, THUMBNAIL_BOX } from '../src/process/outputs.ts'
import { developImage } from '../src/process/recipe.ts'
import { inChild } from './child.ts'

export interface OutputsInput {
  paths: string[]
  format: Format
  /** `recipe`: one decode serves all outputs. `separate`: a decode for each. */
  way: 'recipe' | 'separate'
  folder: string
}

/** The same outputs at the same settings, as one writes them who knows sharp's documentation. */
async function developSeparately(path: string, format: Format, imagePath: string, thumbnailPath: string): Promise<string> {
  const animated = format === 'gif'
  const open = (pages: number) => sharp(path, { failOn: 'error', pages })
  // All frames lie below each other: turning them is no matter of one of them.
  const upright = animated ? open(-1) : open(1).autoOrient()
  await writeFile(imagePath, await encode[format](upright.resize(IMAGE_BOX)).toBuffer())
  const thumbnail = await encode.webp(open(1).autoOrient().resize(THUMBNAIL_BOX)).toBuffer()
  await writeFile(thumbnailPath, thumbnail)
  const tiny = open(1).autoOrient().resize(THUMBHASH_BOX).ensureAlpha().raw()
  const { data, info } = await tiny.toBuffer({ resolveWithObject: true })
  return Buffer.from(rgbaToThumbHash(info.width, info.height, data)).toString('base64')
}

inChild<OutputsInput>(async ({ paths, format, way, folder }, progress) => {
  prepareDecoder()
  const develop = async (path: string, name: string) => {
    const [imagePath, thumbnailPath] = [join(folder, `${name}.image`), join(folder, `${name}.thumbnail`)]
    if (way === 'separate') return void (await developSeparately(path, format, imagePath, thumbnailPath))
    await developImage({ format, originalPath: path, imagePath, thumbnailPath }, Number.MAX_SAFE_INTEGER)
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
