// Small valid images of every format and kind, of which the malformed ones are made.
import sharp, { type Sharp } from 'sharp'
import type { Format } from '../../../src/image.ts'

const pixels = (width: number, height: number, channels: 3 | 4, from = 0) =>
  sharp(
    Buffer.alloc(width * height * channels).map((_, i) => (from + i * 31 + (i >> 5) * 17) % 256),
    { raw: { width, height, channels } },
  )

function frames(count: number) {
  const [width, height] = [20, 15]
  const raw = Buffer.alloc(width * height * 3 * count).map((_, i) => (Math.floor(i / (width * height * 3)) * 70 + i * 3) % 256)
  return sharp(raw, { raw: { width, height: height * count, channels: 3, pageHeight: height } })
}

const EXIF = { IFD0: { ImageDescription: 'a seed', Orientation: '6' } }

/** The same bytes each time. */
export async function makeSeeds(): Promise<Record<Format, Buffer[]>> {
  const make = (...images: Sharp[]) => Promise.all(images.map((image) => image.toBuffer()))
  const still = () => pixels(40, 30, 3)
  const clear = () => pixels(33, 21, 4)
  return {
    jpeg: await make(
      still().jpeg(),
      still().withExif(EXIF).withIccProfile('p3').jpeg({ progressive: true }),
      still().greyscale().jpeg({ chromaSubsampling: '4:4:4' }),
    ),
    png: await make(
      clear().png(),
      still().png({ palette: true }),
      still().withExif(EXIF).withIccProfile('p3').png({ progressive: true }),
      still().toColourspace('rgb16').png(),
    ),
    gif: await make(still().gif(), frames(4).gif({ delay: [10, 20, 30, 40], loop: 3 })),
    webp: await make(still().webp(), clear().webp({ lossless: true }), clear().webp(), frames(4).webp({ delay: [10, 20, 30, 40] })),
    avif: await make(still().avif({ effort: 0 }), clear().withExif(EXIF).avif({ effort: 0 })),
  }
}
