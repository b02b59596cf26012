// `npm run bench:ack`: until a batch is acknowledged, against the same bytes received into synced files without a database.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { Command } from 'commander'
import { smallPhotograph } from '../../test/support/inputs/photographs.ts'
import { cell, columns } from '../run/columns.ts'
import { postFiles, type SentFile } from '../run/multipart.ts'
import { wholeNumber } from '../run/options.ts'
import { generateOriginals } from '../run/originals.ts'
import { shown } from '../run/progress.ts'
import { inScratch } from '../run/scratch.ts'
import { median, round } from '../measure/statistics.ts'
import { startSubject } from '../run/subject.ts'
import type { SyncedFilesReady } from './synced-files.ts'
import { createUploader } from '../run/uploader.ts'

const MOST_RATIO = 1.3
const SMALL_BYTES = 100_000

const options = new Command('npm run bench:ack --')
  .description(
    'Uploads a batch to a warm server of its own and to a bare receiver, which writes each file of the same body to disk, syncs it, and ' +
      'answers: no hash, no row, nothing developed. Milliseconds from the first byte to the answer of each, in turns, and their ratio; ' +
      'for files of 100 KB and for photographs of 0.5 to 12 megapixels. The server develops meanwhile, as it always does, unless --frozen.',
  )
  .option('--images <number>', 'in the batch', wholeNumber(1_000), 100)
  .option('--rounds <number>', 'of which the median counts', wholeNumber(99), 7)
  .option('--frozen', 'freeze the children of the server while it receives, so that both have the cores to themselves')
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ images: number; rounds: number; frozen?: true; json?: true }>()

async function startReceiver(root: string) {
  const folder = await mkdtemp(join(root, 'synced-'))
  const child = fork(join(import.meta.dirname, 'synced-files.ts'), [folder], { env: { ...process.env, UV_THREADPOOL_SIZE: '16' } })
  const [{ url }] = (await once(child, 'message')) as [SyncedFilesReady]
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await once(child, 'exit')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

await inScratch(async (root) => {
  const small: SentFile[] = []
  for (let seed = 0; seed < options.images; seed++) {
    const path = join(root, `small-${seed}.jpg`)
    await writeFile(path, await smallPhotograph({ seed, bytes: SMALL_BYTES }))
    small.push({ path, format: 'jpeg' })
  }
  const photographs = await shown('photographs', options.images, (progress) =>
    generateOriginals(root, options.images, { from: 0.5, to: 12, firstSeed: 0 }, progress),
  )
  await using receiver = await startReceiver(root)
  await using subject = await startSubject({ topology: 'embedded', root })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const uploader = await createUploader(subject.url, agent)
  let tag = 0
  const ours = async (files: SentFile[]) => {
    if (options.frozen) await subject.freeze()
    const { startedAt, answeredAt, images } = await uploader.initiate(files)
    if (options.frozen) await subject.thaw()
    // The next has the machine to itself.
    await uploader.completed(images)
    return answeredAt - startedAt
  }
  const bare = async (files: SentFile[]) => {
    const { status, startedAt, answeredAt, body } = await postFiles(agent, receiver.url, 'images', files)
    if (status !== 200) throw new Error(`The bare receiver answered ${status}: ${JSON.stringify(body)}`)
    return answeredAt - startedAt
  }
  try {
    const rows = []
    for (const [name, files] of [
      ['100 KB', small],
      ['photographs', photographs],
    ] as const) {
      const runs = { ours: [] as number[], bare: [] as number[] }
      // The first round warms up.
      for (let number = 0; number <= options.rounds; number++) {
        const anew = files.map((file) => ({ ...file, tag: String(++tag).padStart(12, '0') }))
        await shown(`${name} ${number}/${options.rounds}`, files.length, async () => {
          const times = { bare: await bare(anew), ours: await ours(anew) }
          if (number === 0) return
          runs.bare.push(times.bare)
          runs.ours.push(times.ours)
        })
      }
      const ratio = median(runs.ours.map((ms, index) => ms / runs.bare[index]!))
      rows.push({ files: name, acknowledgedMs: round(median(runs.ours), 1), bareMs: round(median(runs.bare), 1), ratio: round(ratio, 2) })
    }
    if (options.json) return console.log(JSON.stringify({ images: options.images, batches: rows }))
    const lines = rows.map((row) => [row.files, cell(row.acknowledgedMs), cell(row.bareMs), cell(row.ratio, 2)])
    console.log(columns([[`${options.images} files`, 'acknowledged, ms', 'synced files, ms', 'ratio'], ...lines]))
    console.log(`\nA ratio of ${MOST_RATIO} is wanted`)
  } finally {
    uploader.close()
    agent.destroy()
  }
})
