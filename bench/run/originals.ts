// The photographs the bench uploads: generated, or taken from a folder, distinct in their content either way.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { FORMATS, type Format } from '../../src/image.ts'
import { photograph } from '../../test/support/inputs/photographs.ts'
import type { Megapixels } from './options.ts'
import { shown } from './progress.ts'

/** Images developed before the clock starts: every child process and every code path has had some. */
const WARM_UP_IMAGES = 2 * availableParallelism()
/** Beyond all others, so that no original comes twice. */
const WARM_UP_SEED = 1_000_000

export interface Original {
  path: string
  format: Format
  bytes: number
  megapixels: number
}

/** Writes `count` photographs into a folder: sizes spread evenly from `from` to `to` megapixels, in a mixed order; a seed for each from `firstSeed` on. */
export async function generateOriginals(
  folder: string,
  count: number,
  { from, to, firstSeed }: { from: number; to: number; firstSeed: number },
  progress: (done: number) => void,
): Promise<Original[]> {
  const originals: Original[] = []
  let next = 0
  let done = 0
  const work = async () => {
    for (let index = next++; index < count; index = next++) {
      // Steps of the golden section spread any number of values evenly and never in order (Knuth, TAOCP 3, 6.4).
      const part = (index * 0.6180339887) % 1
      const size = from + (to - from) * part
      const seed = firstSeed + index
      const bytes = await photograph({ seed, megapixels: size })
      const path = join(folder, `photograph-${seed}.jpg`)
      await writeFile(path, bytes, { flush: true })
      originals[index] = { path, format: 'jpeg', bytes: bytes.length, megapixels: size }
      progress(++done)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return originals
}

/** Photographs, and some more to warm up with, in folders below `root`; from a folder of the user's instead if one is given. */
export async function originalsFor(
  root: string,
  count: number,
  { from, megapixels }: { from?: string | undefined; megapixels: Megapixels },
): Promise<{ originals: Original[]; warmUp: Original[] }> {
  const folders = { originals: join(root, 'originals'), warmUp: join(root, 'warm-up') }
  await mkdir(folders.originals)
  await mkdir(folders.warmUp)
  const originals = await shown('photographs', count, (progress) =>
    from === undefined
      ? generateOriginals(folders.originals, count, { ...megapixels, firstSeed: 0 }, progress)
      : takeOriginals(from, count, progress),
  )
  if (originals.length === 0) throw new Error(`There is no JPEG, PNG, WebP, AVIF or GIF in ${from}.`)
  const warmUp = await generateOriginals(folders.warmUp, WARM_UP_IMAGES, { from: 0.5, to: 2, firstSeed: WARM_UP_SEED }, () => {})
  return { originals, warmUp }
}

/** Their number, pixels and bytes in words. */
export function describeOriginals(originals: Original[]): string {
  const sum = (of: (original: Original) => number) => originals.reduce((total, original) => total + of(original), 0)
  const megapixels = sum((original) => original.megapixels).toFixed(0)
  const megabytes = (sum((original) => original.bytes) / 1e6).toFixed(0)
  return `${originals.length} images, ${megapixels} megapixels, ${megabytes} MB; ${availableParallelism()} cores`
}

/** The first `count` images of the formats taken, by path, below a folder; of identical files one. */
async function takeOriginals(folder: string, count: number, progress: (done: number) => void): Promise<Original[]> {
  const originals: Original[] = []
  const seen = new Set<string>()
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  for (const path of paths.sort()) {
    if (originals.length === count) break
    const bytes = await readFile(path)
    const header = await sharp(bytes, { limitInputPixels: false })
      .metadata()
      .catch(() => null)
    const format = header?.format === 'heif' ? 'avif' : header?.format
    const hash = createHash('sha256').update(bytes).digest('hex')
    if (header === null || format === undefined || !(format in FORMATS) || seen.has(hash)) continue
    seen.add(hash)
    originals.push({ path, format: format as Format, bytes: bytes.length, megapixels: (header.width * header.height) / 1e6 })
    progress(originals.length)
  }
  return originals
}
