// `npm run bench:bombs`: what it costs to refuse a bomb of each format from its header.
import { Command } from 'commander'
import { judgeBombs } from '../../test/support/hostile/judge.ts'
import { cell, columns } from '../run/columns.ts'
import { wholeNumber } from '../run/options.ts'
import { inScratch } from '../run/scratch.ts'
import { round } from '../measure/statistics.ts'

const MOST_CPU_MS = 5
const MOST_PEAK_MB = 20

const options = new Command('npm run bench:bombs --')
  .description(
    'Makes bombs of every format (sides, pixels, frames, metadata, blocks) and has each judged from its header in a process as a child ' +
      'that develops images is: CPU ms of the whole process, the fastest of five times, and MB above what it took before.',
  )
  .option('--bytes <number>', 'of those that are long', wholeNumber(64 * 2 ** 20), 60_000_000)
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ bytes: number; json?: true }>()

await inScratch(async (root) => {
  const bombs = (await judgeBombs(root, options.bytes)).map(({ name, format, bytes, code, judged }) => ({
    format,
    name,
    bytes: bytes.length,
    wanted: code,
    code: judged.code,
    cpuMs: round(judged.cpuMs, 2),
    peakMb: round(judged.peakMb, 1),
  }))
  if (options.json) return console.log(JSON.stringify({ bombs }))
  const lines = bombs.map(({ format, name, bytes, code, cpuMs, peakMb }) => [
    `${format}, ${name}`,
    cell(bytes),
    cell(cpuMs, 1),
    cell(peakMb, 1),
    code,
  ])
  console.log(columns([['bomb', 'bytes', 'CPU ms', 'peak MB', 'refused with'], ...lines]))
  console.log(`\n${MOST_CPU_MS} ms and ${MOST_PEAK_MB} MB are wanted at most.`)
})
