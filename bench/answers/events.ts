// `npm run bench:events`: many watchers, many changes at once: how long until everyone has heard everything, and whether anyone missed any.
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { smallPhotograph } from '../../test/support/inputs/photographs.ts'
import { runChild, type Taken } from '../run/child.ts'
import { cell, columns } from '../run/columns.ts'
import { wholeNumber } from '../run/options.ts'
import { shown } from '../run/progress.ts'
import { inScratch } from '../run/scratch.ts'
import { round, type Percentiles } from '../measure/statistics.ts'
import { startSubject, TOPOLOGIES, type Topology } from '../run/subject.ts'
import { createUploader } from '../run/uploader.ts'
import type { WatchersFindings, WatchersInput } from '../measure/watchers.ts'

const MOST_SECONDS = 10
const TIMEOUT_MS = 300_000

const options = new Command('npm run bench:events --')
  .description(
    'Uploads one small photograph many times in a batch, to a server of its own whose children are frozen, so that nothing is developed ' +
      'yet; connects the watchers; and lets the children go on: one photograph is developed, and all images are completed at once. ' +
      'Seconds from then until every watcher has heard that every image is completed, final states missed, and milliseconds from ' +
      '`finished_at` of an image to a watcher (the commit lies in between). Watchers run in a process for each core, on the same machine.',
  )
  .option('--watchers <number>', 'at once', wholeNumber(20_000), 1_000)
  .option('--events <number>', 'images that are completed', wholeNumber(5_000), 1_000)
  .addOption(new Option('--topology <name>', 'what is started').choices(TOPOLOGIES).default('embedded'))
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ watchers: number; events: number; topology: Topology; json?: true }>()

await inScratch(async (root) => {
  const path = join(root, 'photograph.jpg')
  await writeFile(path, await smallPhotograph({ seed: 1 }))
  await using subject = await startSubject({ topology: options.topology, root, env: { PROCESS_TIMEOUT_MS: '3600000' } })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const uploader = await createUploader(subject.url, agent)
  try {
    await uploader.sync({ path, format: 'jpeg', tag: 'warm' })
    await subject.freeze()
    const copies = Array.from({ length: options.events }, () => ({ path, format: 'jpeg' as const, tag: 'measured' }))
    const { images } = await uploader.initiate(copies)
    const ids = images.map(({ id }) => id)

    const processes = Math.min(availableParallelism(), options.watchers)
    const connected = Promise.withResolvers<void>()
    let warm = 0
    let goneOnAt = 0
    const watching = Array.from({ length: processes }, (_, index) => {
      const watchers = Math.floor(options.watchers / processes) + Number(index < options.watchers % processes)
      return runChild<WatchersInput, Taken & WatchersFindings>(
        join(import.meta.dirname, '../measure/watchers.ts'),
        { url: subject.url, watchers, ids },
        {
          timeoutMs: TIMEOUT_MS,
          // All clocks start together, when everyone is connected.
          onWarm: () => {
            if (++warm === processes) connected.resolve()
            return connected.promise
          },
        },
      )
    })
    // Whoever could not connect says so, and nothing is waited for.
    await Promise.race([connected.promise, Promise.all(watching)])
    const cpuBefore = subject.cpuMs()!
    goneOnAt = Date.now()
    await subject.thaw()
    const found = await shown(`${options.watchers} watchers`, 1, () => Promise.all(watching))
    const cpuSeconds = (subject.cpuMs()! - cpuBefore) / 1_000
    const most = (of: (one: WatchersFindings) => number) => Math.max(...found.map(of))
    const worst = (of: keyof Percentiles) => most(({ delayMs }) => delayMs?.[of] ?? Infinity)
    const figures = {
      watchers: options.watchers,
      events: options.events,
      seconds: round((most(({ lastAt }) => lastAt) - goneOnAt) / 1_000, 2),
      missed: found.reduce((sum, { missed }) => sum + missed, 0),
      delayMs: { p50: worst('p50'), p99: worst('p99') },
      serverCpuSeconds: round(cpuSeconds, 2),
      watchersCpuSeconds: round(found.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / 1_000, 2),
    }
    if (figures.missed > 0) process.exitCode = 1
    if (options.json) return console.log(JSON.stringify(figures))
    console.log(
      columns([
        ['watchers', 'events', 'seconds', 'missed', 'event p50 ms', 'p99', 'server CPU s', 'watchers CPU s'],
        [
          String(figures.watchers),
          String(figures.events),
          cell(figures.seconds, 1),
          String(figures.missed),
          cell(figures.delayMs.p50),
          cell(figures.delayMs.p99),
          cell(figures.serverCpuSeconds, 1),
          cell(figures.watchersCpuSeconds, 1),
        ],
      ]),
    )
    console.log(`\n${MOST_SECONDS} s and none missed are wanted, for 1000 watchers and 1000 events`)
  } finally {
    uploader.close()
    agent.destroy()
  }
})
