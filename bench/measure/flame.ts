// A flame graph of a CPU profile as a picture: callers above what they call, as wide as the time it took; readable in light and in dark.
import type { Frame, Profile } from './profile.ts'

const WIDTH = 1200
const ROW = 18
/** Narrower frames would not be seen. */
const LEAST_WIDTH = 0.4
const CHARACTER = 6.2
const MAX_DEPTH = 48

const STYLE = `text { font: 11px ui-monospace, monospace; fill: #1f2328; pointer-events: none } rect { stroke: #fff; stroke-width: .5 }
.ours { fill: #79b8ff } .package { fill: #ffd8b5 } .node { fill: #c8e1c4 } .v8 { fill: #d1d5da }
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc } rect { stroke: #0d1117 }
.ours { fill: #1f5fa8 } .package { fill: #7d4e1d } .node { fill: #2f6b36 } .v8 { fill: #4a5058 } }`

const kindOf = ({ place }: Frame) =>
  place.startsWith('(') ? 'v8' : place.startsWith('node:') ? 'node' : /^(src|bench)\//.test(place) ? 'ours' : 'package'

const escape = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

/** Without what waits. Each frame says its name, its place and its milliseconds when it is pointed at. */
export function flame({ root }: Profile): string {
  const busy = root.calls.filter(({ name }) => name !== '(idle)')
  const totalMs = busy.reduce((sum, { totalMs }) => sum + totalMs, 0)
  const scale = WIDTH / Math.max(totalMs, 0.001)
  const drawn: string[] = []
  let deepest = 0
  const draw = (frame: Frame, x: number, depth: number) => {
    const width = frame.totalMs * scale
    if (width < LEAST_WIDTH || depth > MAX_DEPTH) return
    deepest = Math.max(deepest, depth)
    const letters = Math.floor((width - 4) / CHARACTER)
    const label = letters < 3 ? '' : escape(frame.name.length > letters ? `${frame.name.slice(0, letters - 1)}…` : frame.name)
    const title = escape(`${frame.name} ${frame.place}: ${frame.totalMs.toFixed(0)} ms, itself ${frame.selfMs.toFixed(0)} ms`)
    const box = `x="${x.toFixed(1)}" y="${depth * ROW}" width="${width.toFixed(1)}" height="${ROW}"`
    const text = label === '' ? '' : `<text x="${(x + 3).toFixed(1)}" y="${depth * ROW + 13}">${label}</text>`
    drawn.push(`<g><rect class="${kindOf(frame)}" ${box}><title>${title}</title></rect>${text}</g>`)
    drawAll(frame.calls, x, depth + 1)
  }
  const drawAll = (frames: Frame[], from: number, depth: number) => {
    let x = from
    for (const frame of frames.toSorted((a, b) => b.totalMs - a.totalMs)) {
      draw(frame, x, depth)
      x += frame.totalMs * scale
    }
  }
  drawAll(busy, 0, 0)
  const height = (deepest + 1) * ROW
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">\n<style>${STYLE}</style>\n${drawn.join('\n')}\n</svg>\n`
}
