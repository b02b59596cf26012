// `npm run bench:receive`: the way in alone: parse, hash, sync to disk, row. Nothing is developed meanwhile.
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { Command } from 'commander'
import { smallPhotograph } from '../../test/support/inputs/photographs.ts'
import { cell, columns } from '../run/columns.ts'
import { postFiles, type SentFile } from '../run/multipart.ts'
import { wholeNumber } from '../run/options.ts'
import { shown } from '../run/progress.ts'
import { inScratch } from '../run/scratch.ts'
import { median, round } from '../measure/statistics.ts'
import { startSubject, type Subject } from '../run/subject.ts'

/** The first is the one the budget is for; against the second the cost of a byte is told from that of a file. */
const SIZES = [100_000, 1_000_000]
const PICTURES = 16
const MOST_CPU_MS = 1
const WARM_UP_BUNDLES = 4
/** Frozen children must not be taken for images that take too long. */
const ENV = { PROCESS_TIMEOUT_MS: '3600000' }

const options = new Command('npm run bench:receive --')
  .description(
    'Uploads files to a server of its own whose children are frozen, so that they are received, hashed, synced and recorded, and nothing ' +
      `else: CPU ms a file of the server, for files of ${SIZES.map((size) => size / 1000).join(' and ')} KB, and what a byte and a file cost on their own.`,
  )
  .option('--files <number>', 'of each size in each round', wholeNumber(5_000), 1_000)
  .option('--bundle <number>', 'files in a request', wholeNumber(1_000), 50)
  .option('--rounds <number>', 'of which the median counts', wholeNumber(99), 5)
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ files: number; bundle: number; rounds: number; json?: true }>()

interface Row {
  bytes: number
  cpuMsPerFile: number
  filesPerSecond: number
}

let tags = 0

async function send(subject: Subject, files: number, pictures: SentFile[]): Promise<{ cpuMs: number; seconds: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const startedAt = performance.now()
    const before = subject.cpuMs()!
    for (let sent = 0; sent < files; sent += options.bundle) {
      const bundle = Array.from({ length: Math.min(options.bundle, files - sent) }, (_, index) => ({
        ...pictures[index % pictures.length]!,
        // Twelve digits each: every file has the same size.
        tag: String(++tags).padStart(12, '0'),
      }))
      const { status, body } = await postFiles(agent, `${subject.url}/api/async/batch/upload`, 'images', bundle)
      if (status !== 202) throw new Error(`The upload was answered with ${status}: ${JSON.stringify(body)}`)
    }
    return { cpuMs: subject.cpuMs()! - before, seconds: (performance.now() - startedAt) / 1000 }
  } finally {
    agent.destroy()
  }
}

await inScratch(async (root) => {
  const sized = await Promise.all(
    SIZES.map((bytes) =>
      Promise.all(
        Array.from({ length: PICTURES }, async (_, seed): Promise<SentFile> => {
          const path = join(root, `${bytes}-${seed}.jpg`)
          await writeFile(path, await smallPhotograph({ seed, bytes }))
          return { path, format: 'jpeg' }
        }),
      ),
    ),
  )
  await using subject = await startSubject({ topology: 'embedded', root, env: ENV })
  await subject.freeze()
  for (const pictures of sized) await send(subject, options.bundle * WARM_UP_BUNDLES, pictures)
  const runs = SIZES.map(() => [] as Awaited<ReturnType<typeof send>>[])
  for (let number = 1; number <= options.rounds; number++) {
    for (const [index, pictures] of sized.entries())
      runs[index]!.push(
        await shown(`${SIZES[index]! / 1000} KB ${number}/${options.rounds}`, options.files, () => send(subject, options.files, pictures)),
      )
  }
  const rows = SIZES.map((bytes, index): Row => {
    const of = (what: 'cpuMs' | 'seconds') => median(runs[index]!.map((run) => run[what]))
    return { bytes, cpuMsPerFile: round(of('cpuMs') / options.files, 3), filesPerSecond: round(options.files / of('seconds'), 1) }
  })
  const [small, large] = rows as [Row, Row]
  const cpuMsPerMegabyte = round(((large.cpuMsPerFile - small.cpuMsPerFile) / (large.bytes - small.bytes)) * 1e6, 3)
  const cpuMsPerFileAlone = round(small.cpuMsPerFile - (cpuMsPerMegabyte * small.bytes) / 1e6, 3)
  if (options.json) return console.log(JSON.stringify({ rows, cpuMsPerMegabyte, cpuMsPerFileAlone }))
  const lines = rows.map((row) => [String(row.bytes / 1000), cell(row.cpuMsPerFile, 2), cell(row.filesPerSecond)])
  console.log(columns([['KB a file', 'CPU ms/file', 'files/s'], ...lines]))
  console.log(
    `\nA file costs ${cell(cpuMsPerFileAlone, 2)} ms and a byte ${cell(cpuMsPerMegabyte, 2)} ns of CPU; ` +
      `${cell(small.cpuMsPerFile, 2)} ms for ${small.bytes / 1000} KB (${MOST_CPU_MS.toFixed(1)} is wanted)`,
  )
})
