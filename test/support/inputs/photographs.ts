// Photographs for tests and the bench: made from a seed, each different in its pixels, with the spectrum and file size of real ones.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import type { Format } from '../../../src/image.ts'
import { randomFrom } from './random.ts'

/** Side of the tiles of texture, in pixels: a power of two, so that wrapping around is a mask. */
const TILE = 2048
const MASK = TILE - 1

/** What JPEG quality gives 0.2 to 0.4 bytes a pixel with the textures below, as cameras and phones do. */
const JPEG_QUALITY = 85

const ASPECTS = [3 / 2, 4 / 3, 2 / 3, 3 / 4, 16 / 9] as const

/**
 * Noise with the spectrum of photographs: amplitude falls as 1/f (Field, 1987), which in two dimensions is the same variance in
 * each octave. `cells` of the coarsest and finest octave, along a side. Without edges, mean 0, standard deviation `deviation`.
 */
function noiseTile(random: () => number, coarsest: number, finest: number, deviation: number): Float32Array {
  const tile = new Float32Array(TILE * TILE)
  for (let cells = coarsest; cells <= finest; cells *= 2) {
    const grid = Float32Array.from({ length: cells * cells }, () => random() - 0.5)
    const cell = TILE / cells
    for (let y = 0; y < TILE; y++) {
      const top = Math.floor(y / cell)
      const down = (y % cell) / cell
      const above = top * cells
      const below = ((top + 1) % cells) * cells
      for (let left = 0; left < cells; left++) {
        const right = (left + 1) % cells
        const from = grid[above + left]! * (1 - down) + grid[below + left]! * down
        const to = grid[above + right]! * (1 - down) + grid[below + right]! * down
        for (let x = 0, at = y * TILE + left * cell; x < cell; x++, at++) tile[at]! += from + ((to - from) * x) / cell
      }
    }
  }
  let squares = 0
  for (const value of tile) squares += value * value
  const gain = deviation / Math.sqrt(squares / tile.length)
  return tile.map((value) => value * gain)
}

let tiles: { texture: Float32Array; shapes: Float32Array } | undefined

/** Fine texture everywhere, and shapes: the large octaves driven into saturation, so that they have outlines as things have. */
function baseTiles() {
  tiles ??= {
    texture: keptTile('texture', () => noiseTile(randomFrom(1), 16, TILE / 2, 1)),
    shapes: keptTile('shapes', () => noiseTile(randomFrom(2), 8, 256, 1).map((value) => Math.tanh(6 * value))),
  }
  return tiles
}

const KEPT = join(import.meta.dirname, '../../../node_modules/.cache/photographs')

/**
 * Made once for all processes: half a second of computing that nearly every test file would begin with. Kept under what it is made by,
 * this file; where it can't be kept, it is made each time.
 */
function keptTile(name: string, make: () => Float32Array): Float32Array {
  const madeBy = ['photographs.ts', 'random.ts'].map((file) => readFileSync(join(import.meta.dirname, file)))
  const path = join(KEPT, `${name}-${createHash('sha256').update(Buffer.concat(madeBy)).digest('hex').slice(0, 16)}`)
  try {
    const { buffer, byteOffset, byteLength } = readFileSync(path)
    if (byteLength === TILE * TILE * Float32Array.BYTES_PER_ELEMENT) return new Float32Array(buffer, byteOffset, TILE * TILE)
  } catch {
    // Not yet.
  }
  const tile = make()
  const own = `${path}.${process.pid}`
  try {
    mkdirSync(KEPT, { recursive: true })
    writeFileSync(own, tile)
    renameSync(own, path)
  } catch {
    rmSync(own, { force: true })
  }
  return tile
}

/** RGB pixels: a field of colours that changes slowly, shapes in two tones on it, and texture. */
function paint(random: () => number, width: number, height: number): Uint8ClampedArray {
  const { texture, shapes } = baseTiles()
  const columns = 6
  const rows = 4
  const field = Float32Array.from({ length: (columns + 1) * (rows + 1) * 3 }, () => 40 + 160 * random())
  const offset = () => Math.floor(random() * TILE)
  const [textureX, textureY, shapesX, shapesY] = [offset(), offset(), offset(), offset()]
  const contrast = 10 + 36 * random()
  const tone = () => 50 * (random() - 0.5)
  const [shapeR, shapeG, shapeB] = [tone(), tone(), tone()]
  const pixels = new Uint8ClampedArray(width * height * 3)
  let at = 0
  for (let y = 0; y < height; y++) {
    const textureRow = ((y + textureY) & MASK) * TILE
    const shapesRow = ((y + shapesY) & MASK) * TILE
    const row = Math.floor((y * rows) / height)
    const down = (y * rows) / height - row
    const corner = (column: number, channel: number) => {
      const above = field[(row * (columns + 1) + column) * 3 + channel]!
      const below = field[((row + 1) * (columns + 1) + column) * 3 + channel]!
      return above + (below - above) * down
    }
    for (let column = 0; column < columns; column++) {
      const start = Math.floor((column * width) / columns)
      const end = Math.floor(((column + 1) * width) / columns)
      const length = end - start
      let [r, g, b] = [corner(column, 0), corner(column, 1), corner(column, 2)]
      const stepR = (corner(column + 1, 0) - r) / length
      const stepG = (corner(column + 1, 1) - g) / length
      const stepB = (corner(column + 1, 2) - b) / length
      for (let x = start; x < end; x++) {
        const light = contrast * texture[textureRow + ((x + textureX) & MASK)]!
        const shape = shapes[shapesRow + ((x + shapesX) & MASK)]!
        pixels[at++] = r + light + shapeR * shape
        pixels[at++] = g + light + shapeG * shape
        pixels[at++] = b + light + shapeB * shape
        r += stepR
        g += stepG
        b += stepB
      }
    }
  }
  return pixels
}

/**
 * One photograph, as the bytes of its file. The same seed and size give the same pixels; different seeds give different ones.
 * Landscape or portrait by the seed; a JPEG has 0.2 to 0.4 bytes a pixel. Takes
 * about 40 ms of CPU a megapixel; the very first one a second, for the textures all share.
 */
export async function photograph(options: { seed: number; megapixels: number; format?: Format }): Promise<Buffer> {
  const random = randomFrom(options.seed)
  const aspect = ASPECTS[Math.floor(random() * ASPECTS.length)]!
  const height = Math.max(1, Math.round(Math.sqrt((options.megapixels * 1e6) / aspect)))
  const width = Math.max(8, Math.round(height * aspect))
  const picture = sharp(paint(random, width, height), { raw: { width, height, channels: 3 } })
  switch (options.format ?? 'jpeg') {
    case 'jpeg':
      return picture.jpeg({ quality: JPEG_QUALITY }).toBuffer()
    case 'png':
      return picture.png({ compressionLevel: 3 }).toBuffer()
    case 'webp':
      return picture.webp({ effort: 0 }).toBuffer()
    case 'avif':
      return picture.avif({ effort: 0 }).toBuffer()
    case 'gif':
      return picture.gif({ effort: 1 }).toBuffer()
  }
}

/** How many different pictures the small photographs share. */
const SMALL_PICTURES = 32
const smallPictures = new Map<number, Promise<Buffer>>()

/** Below what a file may carry beside its pixels. */
const MAX_COMMENTS_BYTES = 4 * 2 ** 20

/**
 * A JPEG of 20 to 100 KB, different in its bytes for each seed and cheap by the thousand: few pictures, each file with a comment
 * of its own. `bytes` pads it to that size exactly: with comments, and what comments may not take with bytes behind the picture.
 */
export async function smallPhotograph(options: { seed: number; bytes?: number }): Promise<Buffer> {
  const number = options.seed % SMALL_PICTURES
  let making = smallPictures.get(number)
  if (making === undefined) {
    making = photograph({ seed: number, megapixels: 0.1 + (0.18 * number) / SMALL_PICTURES })
    smallPictures.set(number, making)
  }
  const picture = await making
  const parts = [picture.subarray(0, 2), comment(Buffer.from(`photograph ${options.seed}`))]
  const padding = (options.bytes ?? 0) - parts[1]!.length - picture.length
  const behind = Math.max(0, padding - MAX_COMMENTS_BYTES)
  let missing = padding - behind
  while (missing >= 4) {
    // What is left must be none, or enough for a segment of its own.
    const size = Math.min(missing, missing > 65_000 && missing < 65_100 ? 60_000 : 65_000)
    parts.push(comment(Buffer.alloc(size - 4)))
    missing -= size
  }
  return Buffer.concat([...parts, picture.subarray(2), Buffer.alloc(behind)])
}

/** `count` of them, with the seeds from `seed` on. */
export async function smallPhotographs(count: number, options: { seed?: number; bytes?: number } = {}): Promise<Buffer[]> {
  const { seed = 0, ...rest } = options
  return Promise.all(Array.from({ length: count }, (_, index) => smallPhotograph({ seed: seed + index, ...rest })))
}

/** A comment segment of JPEG (ISO/IEC 10918-1, B.2.4.5): marker, length with itself, text. */
function comment(text: Buffer): Buffer {
  const head = Buffer.from([0xff, 0xfe, 0, 0])
  head.writeUInt16BE(text.length + 2, 2)
  return Buffer.concat([head, text])
}
