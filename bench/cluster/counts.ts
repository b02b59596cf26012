// `npm run bench:counts`: how often the cluster asks its database and its queue for a batch of images.
import { stat } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Command } from 'commander'
import { renditionKey } from '../../src/rendition/keys.ts'
import { operationsOf, RECIPE } from '../../src/rendition/presets.ts'
import { startCluster, type TestCluster } from '../../test/support/servers/cluster.ts'
import { watchCluster } from '../measure/asked.ts'
import type { Commands } from './commands.ts'
import { withSmallPhotographs } from './photographs.ts'
import { countKinds, isWrite, resultCommits, type Kind, type Statement } from './statements.ts'
import { columns } from '../run/columns.ts'
import { postFiles } from '../run/multipart.ts'
import { wholeNumbers } from '../run/options.ts'
import { shown } from '../run/progress.ts'
import { round } from '../measure/statistics.ts'

// What the cluster promises: rows of so many images in an INSERT, so many images in a claim, results so often and so soon.
const IMAGES_PER_INSERT = 25
const IMAGES_PER_CLAIM = 16
const MOST_RESULTS_PER_SECOND = 5
const LATEST_RESULT_MS = 250

/** How long the cluster is watched doing nothing: what its sweeps and leases ask anyway is in the counts of a batch, too. */
const IDLE_MS = 10_000
const WARM_UP_IMAGES = 32
const TIMEOUT_MS = 300_000

interface Counts extends Commands {
  images: number
  seconds: number
  /** Statements that insert, update or delete. */
  dbWrites: number
  /** Statements of all kinds, begins and commits among them: each waits for its answer. */
  dbRoundTrips: number
  kinds: Record<Kind, number>
  /** Commits of results by the busiest worker, from its first to its last; each has an UPDATE of renditions, one of originals and one of images. */
  resultsPerSecond: number
  /** The most of them within any one second: above the rate only as far as the machine is late now and on time then. */
  mostResultsInSecond: number
  /** From when the developed files lay in the store to the commit of their result, in milliseconds. */
  medianResultMs: number
  latestResultMs: number
  missed: string[]
}

const options = new Command('npm run bench:counts --')
  .description(
    'Starts a cluster (npm run cluster), uploads batches of small photographs through nginx, and counts from outside, in the log ' +
      'of PostgreSQL and by MONITOR of Redis, the statements and commands from the first byte sent to the last image completed.',
  )
  .option('--batches <list>', 'how many images in each', wholeNumbers(5_000), [100, 300, 1_000])
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ batches: number[]; json?: true }>()

/** How often in a second, over all of them. */
function perSecond(times: number[]): number {
  return times.length < 2 ? 0 : ((times.length - 1) * 1_000) / (Math.max(...times) - Math.min(...times))
}

/** The greatest number of times that lie within a second. */
function mostWithinSecond(times: number[]): number {
  return Math.max(0, ...times.map((from) => times.filter((time) => time >= from && time < from + 1_000).length))
}

/** From when all files of an image were there to the commit of the statement that says so. */
async function resultDelays(dataDir: string, statements: Statement[]): Promise<number[]> {
  const delays: number[] = []
  for (const { hashes, committedAt } of resultCommits(statements)) {
    for (const sha256 of hashes) {
      const keys = operationsOf(RECIPE, 'jpeg').map((operation) => renditionKey(sha256, operation))
      // The change of a file's status is its rename into place.
      const storedAt = await Promise.all(keys.map(async (key) => (await stat(join(dataDir, key))).ctimeMs))
      delays.push(committedAt - Math.max(...storedAt))
    }
  }
  return delays.sort((a, b) => a - b)
}

function missed({ images, kinds, resultsPerSecond, latestResultMs }: Omit<Counts, 'missed'>): string[] {
  const limits = [
    ['INSERTs into images', kinds.insertImages, Math.ceil(images / IMAGES_PER_INSERT)],
    ['claims', kinds.claims, Math.ceil(images / IMAGES_PER_CLAIM)],
    ['commits of results a second by one worker', resultsPerSecond, MOST_RESULTS_PER_SECOND],
    ['ms to the latest commit of a result', latestResultMs, LATEST_RESULT_MS],
  ] as const
  return limits.filter(([, found, most]) => found > most).map(([what, found, most]) => `${found} ${what}, more than ${most}`)
}

async function measure(cluster: TestCluster, files: string[]): Promise<{ idle: Commands & { statements: number }; batches: Counts[] }> {
  const watching = await watchCluster(cluster)
  const agent = new Agent()
  try {
    let completed = 0
    const upload = async (images: number) => {
      const sent = files.slice(completed, completed + images).map((path) => ({ path, format: 'jpeg' as const }))
      const { status, body } = await postFiles(agent, `${cluster.url}/api/async/batch/upload`, 'images', sent)
      if (status !== 202) throw new Error(`The upload was answered with ${status}: ${JSON.stringify(body)}`)
      completed += images
      await watching.rows.completed(completed, TIMEOUT_MS)
    }
    await upload(WARM_UP_IMAGES)

    await wait(1_000)
    await watching.takeAll()
    await wait(IDLE_MS)
    const { statements, commands } = await watching.takeAll()
    const idle = { ...commands, statements: statements.length }

    const batches: Counts[] = []
    for (const images of options.batches) {
      await watching.takeAll()
      const begun = performance.now()
      await shown(`${images} images`, images, () => upload(images))
      const seconds = (performance.now() - begun) / 1000
      const { statements, commands: asked } = await watching.takeAll()
      const delays = await resultDelays(cluster.dataDir, statements)
      const workers = [...Map.groupBy(resultCommits(statements), ({ worker }) => worker).values()]
      const commits = workers.map((own) => own.map(({ committedAt }) => committedAt))
      const counts = {
        images,
        seconds: round(seconds, 2),
        dbWrites: statements.filter(isWrite).length,
        dbRoundTrips: statements.length,
        ...asked,
        kinds: countKinds(statements),
        resultsPerSecond: round(Math.max(0, ...commits.map(perSecond)), 2),
        mostResultsInSecond: Math.max(0, ...commits.map(mostWithinSecond)),
        medianResultMs: Math.round(delays[Math.floor(delays.length / 2)] ?? 0),
        latestResultMs: Math.round(delays.at(-1) ?? 0),
      }
      batches.push({ ...counts, missed: missed(counts) })
    }
    return { idle, batches }
  } finally {
    agent.destroy()
    await watching.close()
  }
}

function table(batches: Counts[]): string {
  const lines: [string, (counts: Counts) => number, string][] = [
    ['seconds', ({ seconds }) => seconds, ''],
    ['database: statements (round trips)', ({ dbRoundTrips }) => dbRoundTrips, ''],
    ['database: writes', ({ dbWrites }) => dbWrites, ''],
    ['  INSERT into images', ({ kinds }) => kinds.insertImages, `images ÷ ${IMAGES_PER_INSERT}`],
    ['  other INSERTs', ({ kinds }) => kinds.insertOthers, ''],
    ['  claims', ({ kinds }) => kinds.claims, `images ÷ ${IMAGES_PER_CLAIM}`],
    ['  results', ({ kinds }) => kinds.results, ''],
    ['  UPDATE images, of claims and results', ({ kinds }) => kinds.imagesUpdates, ''],
    ['  renewed leases', ({ kinds }) => kinds.renewals, ''],
    ['  others', ({ kinds }) => kinds.otherWrites, ''],
    ['results of a worker a second', ({ resultsPerSecond }) => resultsPerSecond, String(MOST_RESULTS_PER_SECOND)],
    ['  most within one second', ({ mostResultsInSecond }) => mostResultsInSecond, ''],
    ['from store to commit, median ms', ({ medianResultMs }) => medianResultMs, ''],
    ['from store to commit, latest ms', ({ latestResultMs }) => latestResultMs, String(LATEST_RESULT_MS)],
    ['queue: commands', ({ queueOps }) => queueOps, ''],
    ['feed: commands', ({ feedOps }) => feedOps, ''],
  ]
  const rows = lines.map(([what, of, most]) => [what, ...batches.map((counts) => String(of(counts))), most])
  return columns([['images', ...batches.map(({ images }) => String(images)), 'at most'], ...rows])
}

try {
  const total = WARM_UP_IMAGES + options.batches.reduce((sum, images) => sum + images, 0)
  const { idle, batches } = await withSmallPhotographs(total, async (files) => {
    await using cluster = await startCluster()
    return await measure(cluster, files)
  })
  if (options.json) console.log(JSON.stringify({ idle: { seconds: IDLE_MS / 1000, ...idle }, batches }))
  else {
    const { statements, queueOps, feedOps } = idle
    console.log(
      `${table(batches)}\n\nIdle, in ${IDLE_MS / 1000} s: ${statements} statements, ${queueOps} commands of the queue, ${feedOps} of the feed`,
    )
  }
  for (const { images, missed } of batches) for (const what of missed) console.error(`${images} images: ${what}`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
