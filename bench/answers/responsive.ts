// `npm run bench:responsive`: how soon the server answers while all cores develop.
import { availableParallelism } from 'node:os'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { runChild, type Taken } from '../run/child.ts'
import { cell, columns } from '../run/columns.ts'
import { megapixels, wholeNumber, type Megapixels } from '../run/options.ts'
import { generateOriginals } from '../run/originals.ts'
import type { ProbeFindings, ProbeInput } from '../measure/probe.ts'
import { shown } from '../run/progress.ts'
import { inScratch } from '../run/scratch.ts'
import { startSubject, TOPOLOGIES, type Topology } from '../run/subject.ts'
import { createUploader } from '../run/uploader.ts'

const MOST_P99_MS = 50
const EVERY_MS = 10
const PICTURES = 8 * availableParallelism()

const options = new Command('npm run bench:responsive --')
  .description(
    'Gives a server of its own more photographs than it can develop meanwhile, and asks it, every 10 ms, in turns for /healthz, for a page ' +
      'of the list and for a developed image: the milliseconds until each answer, counted from when the question was due, while all cores ' +
      'develop and before that at rest.',
  )
  .option('--seconds <number>', 'how long it is asked', wholeNumber(3_600), 30)
  .addOption(new Option('--megapixels <from-to>', 'sizes of the photographs').argParser(megapixels).default({ from: 6, to: 24 }, '6-24'))
  .addOption(new Option('--topology <name>', 'what is started').choices(TOPOLOGIES).default('embedded'))
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ seconds: number; megapixels: Megapixels; topology: Topology; json?: true }>()

await inScratch(async (root) => {
  const pictures = await shown('photographs', PICTURES, (progress) =>
    generateOriginals(root, PICTURES, { ...options.megapixels, firstSeed: 0 }, progress),
  )
  await using subject = await startSubject({ topology: options.topology, root })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const uploader = await createUploader(subject.url, agent)
  try {
    const { image } = await uploader.sync({ ...pictures[0]!, tag: 'cached' })
    const paths = ['/healthz', '/api/images?limit=20', image!]
    const probe = (name: string) =>
      shown(name, 1, () =>
        runChild<ProbeInput, Taken & ProbeFindings>(
          join(import.meta.dirname, '../measure/probe.ts'),
          { url: subject.url, paths, everyMs: EVERY_MS, durationMs: options.seconds * 1_000 },
          { timeoutMs: options.seconds * 1_000 + 120_000 },
        ),
      )
    const atRest = await probe('at rest')
    // Sent again and again, each another file: so that there is work for longer than it is asked.
    let asking = true
    let tag = 0
    const busy = (async () => {
      while (asking) await uploader.batch(pictures.map((picture) => ({ ...picture, tag: String(++tag) })))
    })()
    const overlapping = (async () => {
      while (asking) await uploader.batch(pictures.map((picture) => ({ ...picture, tag: `b${++tag}` })))
    })()
    const before = subject.cpuMs()!
    const developing = await probe('while all cores develop')
    const cores = (subject.cpuMs()! - before) / (developing.seconds * 1_000)
    asking = false
    await Promise.all([busy, overlapping])
    const rows = paths.map((_, index) => ({ ...developing.paths[index]!, atRest: atRest.paths[index]!.times }))
    if (options.json) return console.log(JSON.stringify({ coresBusy: Number(cores.toFixed(2)), paths: rows }))
    const lines = rows.map(({ path, answers, times, slowestMs, atRest: rest }) => [
      path.startsWith('/media') ? 'a developed image' : path,
      String(answers),
      cell(rest?.p50, 1),
      cell(rest?.p99, 1),
      cell(times?.p50, 1),
      cell(times?.p99, 1),
      cell(slowestMs, 1),
    ])
    console.log(columns([['ms', 'answers', 'at rest p50', 'p99', 'developing p50', 'p99', 'slowest'], ...lines]))
    console.log(`\nThe server and its children kept ${cores.toFixed(2)} cores busy; a p99 of ${MOST_P99_MS} ms is wanted`)
  } finally {
    uploader.close()
    agent.destroy()
  }
})
