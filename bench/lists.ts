// `npm run bench:lists`: pages of a list of a million images, the first and the last, on both databases.
import { Command, Option } from 'commander'
import type { ApiImage } from '../src/api.ts'
import { cell, columns } from './columns.ts'
import { DATABASES, fillDatabase, type DatabaseName, type Filled, type Numbers } from './many-rows.ts'
import { someOf, wholeNumber } from './options.ts'
import { shown } from './progress.ts'
import { inScratch } from './scratch.ts'
import { percentiles, round, type Percentiles } from './statistics.ts'

const MOST_P99_MS = 20
const MOST_LAST_TO_FIRST = 1.5
const PAGE = 100
/** So long at most each page is asked for: a search without an index takes a second. */
const MOST_MS = 20_000
const WARM_UP = 20

const options = new Command('npm run bench:lists --')
  .description(
    'Fills the database of a server of its own with rows of images, walks to the end of the list, and asks for pages of 100, one after ' +
      'the other, in turns: the first, the last, the first of another order, of a status that few images have, and of a search by name. ' +
      'Milliseconds to the answer, on SQLite and on PostgreSQL (npm run cluster, through nginx).',
  )
  .option('--rows <number>', 'images', wholeNumber(10_000_000), 1_000_000)
  .option('--requests <number>', 'for each page', wholeNumber(100_000), 500)
  .addOption(new Option('--databases <list>', 'which').argParser(someOf(DATABASES)).default([...DATABASES], DATABASES.join()))
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ rows: number; requests: number; databases: DatabaseName[]; json?: true }>()

/** The image there is, again and again: a second apart each, every thousandth failed, with names that can be searched for. */
const alike = ({ from, hex }: Numbers) => [
  `
  insert into images (id, batch_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at, finished_at)
  select '00000000-0000-4000-8000-' || ${hex('n', 12)}, batch_id, n, 'IMG_' || n || case when n % 5003 = 0 then ' sunset' else '' end || '.jpg', format,
    size + n % 4096, sha256, recipe, case when n % 1000 = 0 then 'error' else status end, uploaded_at - n * 1000, finished_at - n * 1000
  from images, ${from} where batch_index = 0`,
]

interface Page {
  images: number
  next: string | undefined
}

async function ask(url: string, path: string): Promise<Page> {
  const response = await fetch(url + path)
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`)
  const images = ((await response.json()) as ApiImage[]).length
  return { images, next: /cursor=([^>&]+)/.exec(response.headers.get('link') ?? '')?.[1] }
}

/** The cursor of the page that begins a hundred images before the end. */
async function lastCursor(url: string): Promise<string> {
  return shown('the walk to the last page', options.rows, async (progress) => {
    let cursor: string | undefined
    const step = async (limit: number) => {
      cursor = (await ask(url, `/api/list?limit=${limit}${cursor === undefined ? '' : `&cursor=${cursor}`}`)).next
    }
    let left = options.rows - PAGE
    for (; left > 0; left -= 1_000) {
      await step(Math.min(1_000, left))
      progress(options.rows - left)
    }
    if (cursor === undefined) throw new Error(`The list ended before ${options.rows} images.`)
    return cursor
  })
}

interface PageFigures {
  page: string
  requests: number
  times: Percentiles
}

async function measure(database: DatabaseName, { url }: Filled): Promise<PageFigures[]> {
  const paths = {
    first: `/api/list?limit=${PAGE}`,
    last: `/api/list?limit=${PAGE}&cursor=${await lastCursor(url)}`,
    'by size': `/api/images?limit=${PAGE}&sort=-size`,
    'of a status': `/api/images?limit=${PAGE}&status=error`,
    'search, few match': `/api/images?limit=${PAGE}&q=sunset`,
    'search, none match': `/api/images?limit=${PAGE}&q=nowhere`,
  }
  const names = Object.keys(paths) as (keyof typeof paths)[]
  const times = new Map(names.map((name) => [name, [] as number[]]))
  const spentMs = new Map(names.map((name) => [name, 0]))
  await shown(`pages of ${database}`, options.requests, async (progress) => {
    for (let number = -WARM_UP; number < options.requests; number++) {
      for (const name of names) {
        if (spentMs.get(name)! > MOST_MS) continue
        const startedAt = performance.now()
        await ask(url, paths[name])
        const ms = performance.now() - startedAt
        spentMs.set(name, spentMs.get(name)! + ms)
        if (number >= 0) times.get(name)!.push(ms)
      }
      progress(Math.max(0, number + 1))
    }
  })
  return names.flatMap((page) => {
    const own = percentiles(times.get(page)!)
    return own === null ? [] : [{ page, requests: times.get(page)!.length, times: own }]
  })
}

await inScratch(async (root) => {
  if (options.rows <= PAGE) throw new Error(`Give --rows more than ${PAGE}: the last page has to be another than the first.`)
  const found: { database: DatabaseName; pages: PageFigures[]; lastToFirst: number }[] = []
  for (const database of options.databases) {
    await using filled = await fillDatabase({ database, rows: options.rows, root, statements: alike })
    const pages = await measure(database, filled)
    const p50 = (name: string) => pages.find(({ page }) => page === name)?.times.p50 ?? NaN
    found.push({ database, pages, lastToFirst: round(p50('last') / p50('first'), 2) })
  }
  if (options.json) return console.log(JSON.stringify({ rows: options.rows, databases: found }))
  for (const { database, pages, lastToFirst } of found) {
    const lines = pages.map(({ page, requests, times }) => [page, cell(times.p50, 1), cell(times.p99, 1), String(requests)])
    console.log(columns([[`${database}, ${options.rows} rows`, 'p50 ms', 'p99 ms', 'requests'], ...lines]))
    console.log(
      `\nThe last page takes ${lastToFirst} times the first (${MOST_LAST_TO_FIRST} is wanted, and a p99 of ${MOST_P99_MS} ms of both)\n`,
    )
  }
})
