// The figures of the bench as a picture: a bar of images/s for the bare loop and each mode, readable in light and in dark.
import type { Section } from './report.ts'

const WIDTH = 760
const LEFT = 120
const RIGHT = 230
const BAR = 22
const STEP = 30
const HEAD = 44
const MARGIN = 16

const STYLE = `text { font: 13px system-ui, sans-serif; fill: #24292f } .head { font-weight: 600 } .note { fill: #57606a }
.bare { fill: #8c959f } .mode { fill: #0969da }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #9198a1 } .bare { fill: #656c76 } .mode { fill: #4493f8 } }`

interface Bar {
  name: string
  imagesPerSecond: number
  note: string
  isBare: boolean
}

function barsOf({ bare, modes }: Section): Bar[] {
  const own = modes.map(({ mode, imagesPerSecond, ratio, cpuRatio, cpuMsPerImage }): Bar => {
    const of = (value: number | null, what: string) => (value === null ? [] : [`${value.toFixed(2)} ${what}`])
    const cpu = cpuMsPerImage === null ? [] : [`${cpuMsPerImage.toFixed(1)} ms CPU`]
    const notes = cpuRatio === null ? cpu : [...of(ratio, '× bare'), ...of(cpuRatio, '× its CPU')]
    return { name: mode, imagesPerSecond, note: notes.join(', '), isBare: false }
  })
  if (bare === null) return own
  return [{ name: 'bare loop', imagesPerSecond: bare.imagesPerSecond, note: '', isBare: true }, ...own]
}

/** An SVG of all sections, one below the other, each with a scale of its own. */
export function chart(sections: Section[]): string {
  let y = MARGIN
  const drawn = sections.map((section) => {
    const bars = barsOf(section)
    const most = Math.max(...bars.map((bar) => bar.imagesPerSecond))
    const lines = [`<text class="head" x="${MARGIN}" y="${y + 16}">${section.images} ${section.content} images, images/s</text>`]
    for (const [index, { name, imagesPerSecond, note, isBare }] of bars.entries()) {
      const top = y + HEAD - 16 + index * STEP
      const length = Math.max(1, ((WIDTH - LEFT - RIGHT) * imagesPerSecond) / most).toFixed(1)
      const middle = top + BAR / 2 + 5
      const end = LEFT + Number(length) + 8
      lines.push(
        `<text x="${LEFT - 10}" y="${middle}" text-anchor="end">${name}</text>`,
        `<rect class="${isBare ? 'bare' : 'mode'}" x="${LEFT}" y="${top}" width="${length}" height="${BAR}" rx="3"/>`,
        `<text x="${end}" y="${middle}">${imagesPerSecond.toFixed(1)}<tspan class="note" dx="8">${note}</tspan></text>`,
      )
    }
    y += HEAD + bars.length * STEP
    return lines.join('\n')
  })
  const size = `width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`
  const title = '<title>Images a second of each way in, beside the bare loop</title>'
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">\n${title}\n<style>${STYLE}</style>\n${drawn.join('\n')}\n</svg>\n`
}
