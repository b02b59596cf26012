// `npm run bench:load`: what its users' load script does to the cluster: so many uploads at once, of one image and of different ones.
import { Command } from 'commander'
import { findTestPrograms } from '../../scripts/cluster/programs.ts'
import { startCluster, type TestCluster } from '../../test/support/servers/cluster.ts'
import { withSmallPhotographs } from '../cluster/photographs.ts'
import { columns } from '../run/columns.ts'
import { wholeNumber } from '../run/options.ts'
import { shown } from '../run/progress.ts'
import { round } from '../measure/statistics.ts'
import { watchMemory, type PeakMemory } from './peak-memory.ts'
import { broken, postAll, type LoadOutcome } from './post-all.ts'

/** No process of ours may have more. */
const MOST_RSS_MB = 512

interface Load extends LoadOutcome {
  load: 'one image' | 'distinct images'
  memory: PeakMemory[]
  broken: string[]
}

const options = new Command('npm run bench:load --')
  .description(
    'Starts a cluster (npm run cluster) and posts images to /api/upload through nginx, all at once, by Python with aiohttp: first one ' +
      'image so many times, then as many distinct ones (20 to 100 KB). Every request has to be answered with 200, or with 429 or 503 ' +
      `and Retry-After and then with 200; no connection may be reset; no process of the cluster's API servers and workers may have more than ${MOST_RSS_MB} MB.`,
  )
  .option('--requests <number>', 'at once, up to 10000', wholeNumber(10_000), 1_000)
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ requests: number; json?: true }>()

async function run(cluster: TestCluster, load: Load['load'], files: string[]): Promise<Load> {
  using memory = watchMemory(cluster.members)
  const outcome = await shown(load, options.requests, () => postAll(cluster.url, files, options.requests))
  const peaks = memory.stop().map((peak) => ({ ...peak, rssMb: round(peak.rssMb, 1) }))
  const tooLarge = peaks.filter(({ rssMb }) => rssMb > MOST_RSS_MB).map(({ process, rssMb }) => `${process} had ${rssMb} MB`)
  return { load, ...outcome, memory: peaks, broken: [...broken(outcome), ...tooLarge] }
}

function table(loads: Load[]): string {
  const head = ['', 'requests', 'answers', 'resets', 'seconds', 'median s', '95 % s', 'slowest s', 'most RSS MB']
  const rows = loads.map(({ load, requests, answers, resets, seconds, medianSeconds, p95Seconds, slowestSeconds, memory }) => {
    const told = Object.entries(answers).map(([status, count]) => `${count}×${status}`)
    const [most] = memory
    const times = [seconds, medianSeconds, p95Seconds, slowestSeconds].map((value) => value.toFixed(1))
    return [load, String(requests), told.join(' '), String(resets), ...times, `${most?.rssMb.toFixed(0)} (${most?.process})`]
  })
  return columns([head, ...rows])
}

try {
  findTestPrograms(console.error)
  const loads = await withSmallPhotographs(options.requests, async (files) => {
    await using cluster = await startCluster()
    return [await run(cluster, 'one image', files.slice(0, 1)), await run(cluster, 'distinct images', files)]
  })
  console.log(options.json ? JSON.stringify({ loads }) : table(loads))
  for (const { load, broken } of loads) {
    for (const what of broken) console.error(`${load}: ${what}`)
    if (broken.length > 0) process.exitCode = 1
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
