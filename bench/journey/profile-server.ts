// A batch with CPU profiles of the server: which threads take the time, and which code of its JavaScript.
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { columns } from '../run/columns.ts'
import { flame } from '../measure/flame.ts'
import type { Original } from '../run/originals.ts'
import { readProfile, selfTimes, type Profile } from '../measure/profile.ts'
import { runMode } from './run-mode.ts'
import { startSubject } from '../run/subject.ts'
import { threadTimes, type ThreadTimes } from '../measure/thread-times.ts'
import type { Mode } from './upload-client.ts'

const TOP = 25
/** V8 samples each thread so often; profiling itself takes some time, too. */
const INTERVAL_US = 200

export interface ProfileOptions {
  root: string
  originals: Original[]
  warmUp: Original[]
  mode: Mode
  /** Keeps the profiles, for Chromium's DevTools or speedscope, and a flame graph of the main thread. */
  folder: string | undefined
}

/** The report, for people. Threads are known on Linux alone. */
export async function profileBatch({ root, originals, warmUp, mode, folder }: ProfileOptions): Promise<string> {
  const profiles = folder ?? (await mkdtemp(join(root, 'profiles-')))
  await mkdir(profiles, { recursive: true })
  const NODE_OPTIONS = `--disable-warning=ExperimentalWarning --cpu-prof --cpu-prof-interval=${INTERVAL_US} --cpu-prof-dir=${profiles}`
  const known = new Set(await readdir(profiles))
  let before: ThreadTimes = new Map()
  let after: ThreadTimes = new Map()
  let window = { from: 0, to: 0 }
  {
    await using subject = await startSubject({ topology: 'embedded', root, env: { NODE_OPTIONS } })
    const onWindow = (at: 'start' | 'end') => {
      const times = threadTimes(subject.pids())
      if (at === 'start') before = times
      else after = times
    }
    window = (await runMode(`${mode}, profiled`, subject, { mode, originals, warmUp, onWindow })).window
  }
  // The main thread's is written at its end, and has the lowest number of its process.
  const written = (await readdir(profiles)).filter((name) => name.endsWith('.cpuprofile') && !known.has(name)).sort()
  const read = await Promise.all(written.map(async (name) => readProfile(await readFile(join(profiles, name), 'utf8'), window)))
  const main = read[0]
  if (main === undefined) throw new Error('The server wrote no profile.')
  if (folder !== undefined) await writeFile(join(folder, 'flame.svg'), flame(main))
  const images = originals.length
  return [
    `${images} images by ${mode}, profiled: ms of CPU an image`,
    threadTable(before, after, images),
    'JavaScript of the main thread, by where it is, then its functions, itself without what it calls',
    selfTable(main, images, 'group'),
    selfTable(main, images, 'function'),
    ...(folder === undefined ? [] : [`Profiles and flame.svg are in ${folder}.`]),
  ].join('\n\n')
}

function threadTable(before: ThreadTimes, after: ThreadTimes, images: number): string {
  const rows = [...after].map(([name, cpuMs]) => ({ name, cpuMs: cpuMs - (before.get(name) ?? 0) })).filter(({ cpuMs }) => cpuMs > 0)
  if (rows.length === 0) return 'Threads are not known on this system.'
  const total = rows.reduce((sum, { cpuMs }) => sum + cpuMs, 0)
  const line = ({ name, cpuMs }: (typeof rows)[number]) => [name, (cpuMs / images).toFixed(2), `${((100 * cpuMs) / total).toFixed(1)} %`]
  const sorted = rows.sort((a, b) => b.cpuMs - a.cpuMs)
  return columns([['threads', 'ms/image', 'part'], ...sorted.map(line), line({ name: 'all', cpuMs: total })])
}

function selfTable(profile: Profile, images: number, by: 'group' | 'function'): string {
  const times = selfTimes(profile, by).slice(0, TOP)
  const rows = times.map(({ name, ms }) => [name, (ms / images).toFixed(3)])
  return columns([[by === 'group' ? 'code' : 'function', 'ms/image'], ...rows])
}
