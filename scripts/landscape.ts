// Photographs for the pictures of the page.
import sharp from 'sharp'

/** A landscape in the evening: the same for the same number. */
export function landscape(seed: number): Promise<Buffer> {
  const [width, height] = seed % 4 === 3 ? [900, 1200] : [1500, 1000]
  const part = (n: number) => Math.abs(Math.sin(seed * 12.9898 + n * 78.233) * 43758.5453) % 1
  const hue = Math.round(part(1) * 360)
  const ridge = (n: number) => {
    const base = height * (0.45 + n * 0.14)
    const points = Array.from({ length: 13 }, (_, at) => `${(at * width) / 12},${base - part(n * 31 + at) * height * (0.3 - n * 0.06)}`)
    const colour = `hsl(${hue + 30 + n * 14} ${30 - n * 4}% ${46 - n * 13}%)`
    return `<polygon points="0,${height} ${points.join(' ')} ${width},${height}" fill="${colour}"/>`
  }
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs><linearGradient id="s" x2="0" y2="1">
    <stop stop-color="hsl(${hue} 45% ${28 + part(2) * 30}%)"/><stop offset="1" stop-color="hsl(${hue + 50} 70% 78%)"/></linearGradient></defs>
    <rect width="100%" height="100%" fill="url(#s)"/>
    <circle cx="${part(3) * width}" cy="${height * (0.2 + part(4) * 0.25)}" r="${height * (0.03 + part(5) * 0.05)}" fill="hsl(${hue + 60} 90% 88%)"/>
    ${[0, 1, 2, 3].map(ridge).join('')}</svg>`
  return sharp(Buffer.from(svg)).jpeg({ quality: 88 }).toBuffer()
}
