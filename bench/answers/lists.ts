// `npm run bench:lists`: pages of a list of a million images, the first and the last, on both databases.
import { createHash, randomUUID } from 'node:crypto'
import { Command, Option } from 'commander'
import type { ApiCount } from '../../src/api/images.ts'
import { operationFor } from '../../test/support/inputs/sample-image.ts'
import { cell, columns } from '../run/columns.ts'
import { DATABASES, fillDatabase, uploadOne, type DatabaseName, type Filled, type Numbers, type Run } from '../run/many-rows.ts'
import { someOf, wholeNumber } from '../run/options.ts'
import { shown } from '../run/progress.ts'
import { inScratch } from '../run/scratch.ts'
import { percentiles, round, type Percentiles } from '../measure/statistics.ts'

const MOST_P99_MS = 20
const MOST_LAST_TO_FIRST = 1.5
const PAGE = 100
/** So long at most each page is asked for. */
const MOST_MS = 20_000
const WARM_UP = 20
const MEMBERS = 1_000
const FILES_A_BATCH = 10_000

const options = new Command('npm run bench:lists --')
  .description(
    'Fills the database of a server of its own with rows of images of a thousand members, walks to the end of the list, and asks for pages ' +
      'of 100, one after the other, in turns: first and last ones, of every order, of a status and a format, of a member, of searches; for ' +
      'counts, and for a page of batches of 10,000 files. Milliseconds to the answer, on SQLite and on PostgreSQL (npm run cluster, ' +
      'through nginx).',
  )
  .option('--rows <number>', 'images', wholeNumber(10_000_000), 1_000_000)
  .option('--requests <number>', 'for each page', wholeNumber(100_000), 500)
  .addOption(new Option('--databases <list>', 'which').argParser(someOf(DATABASES)).default([...DATABASES], DATABASES.join()))
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ rows: number; requests: number; databases: DatabaseName[]; json?: true }>()

/** Of an administrator, who sees everything, and of one of the members; they live as long as the bench. */
const keys = { admin: `calo_${randomUUID()}`, member: `calo_${randomUUID()}` }

async function begin(server: { url: string }, run: Run): Promise<void> {
  for (const role of ['admin', 'member'] as const) {
    const id = role === 'admin' ? 'admin' : 'member-7'
    const scopes = role === 'admin' ? 'upload read delete admin' : 'upload read delete'
    const hash = createHash('sha256').update(keys[role]).digest('hex')
    await run(`insert into users (id, email, name, role, password_hash, created_at)
      values ('${id}', '${role}@example.org', '${role}', '${role}', '', 0)`)
    await run(`insert into api_keys (id, prefix, name, user_id, scopes, token_hash, created_at)
      values ('${randomUUID()}', 'calo_', 'bench', '${id}', '${scopes}', '${hash}', 0)`)
  }
  await uploadOne(server, keys.admin)
}

/** The one image there is, again and again: a second apart each, one of a thousand failed, one of 5,003 with a word in its name. */
function ofMembers({ from, hex }: Numbers): string[] {
  const batch = `'10000000-0000-4000-8000-' || ${hex(`n / ${FILES_A_BATCH}`, 12)}`
  const batchAt = `1000 * (n / ${FILES_A_BATCH})`
  return [
    `insert into batches (id, kind, created_at, received_at, rejected)
     select ${batch}, 'batch', ${batchAt}, ${batchAt}, '[]' from ${from} where n % ${FILES_A_BATCH} = 0 or n = 1`,
    // One of a hundred is told to be a GIF.
    `insert into renditions (sha256, operation, status, width, height, bytes)
     select sha256, '${operationFor('image', 'gif')}', status, width, height, bytes from renditions
     where operation = '${operationFor('image')}' on conflict do nothing`,
    `insert into images (id, batch_id, owner_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at, finished_at, code)
     select '00000000-0000-4000-8000-' || ${hex('n', 12)}, ${batch}, 'member-' || (n % ${MEMBERS}), n % ${FILES_A_BATCH},
       'IMG_' || n || case when n % 5003 = 0 then ' sunset' else '' end || '.jpg',
       case when n % 100 = 0 then 'gif' else format end, size + n % 4096, sha256, recipe,
       case when n % 1007 = 7 then 'error' else 'completed' end, uploaded_at - n * 1000, uploaded_at,
       case when n % 1007 = 7 then 'invalid_image' end
     from (select * from images where owner_id = 'admin' limit 1) as first, ${from}`,
  ]
}

interface Page {
  images: number
  next: string | undefined
}

async function ask(url: string, path: string, key: string): Promise<Page> {
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${key}` } })
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`)
  const body = (await response.json()) as unknown[] | ApiCount
  const images = Array.isArray(body) ? body.length : body.images
  return { images, next: /cursor=([^>&]+)/.exec(response.headers.get('link') ?? '')?.[1] }
}

/** The cursor of the page that begins a hundred images before the end. */
async function lastCursor({ url }: Filled): Promise<string> {
  return shown('the walk to the last page', options.rows, async (progress) => {
    let cursor: string | undefined
    const step = async (limit: number) => {
      cursor = (await ask(url, `/api/list?limit=${limit}${cursor === undefined ? '' : `&cursor=${cursor}`}`, keys.admin)).next
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
  /** On it, or counted. */
  images: number
  requests: number
  times: Percentiles
}

const search = (q: string, rest = '') => `/api/images?limit=${PAGE}&q=${encodeURIComponent(q)}${rest}`
const count = (filter: string) => `/api/images/count?${filter}`
const images = (filter: string) => `/api/images?limit=${PAGE}&${filter}`

/** What an administrator is asked, and a member. */
const PATHS = {
  admin: {
    'by name': images('sort=name'),
    'by name, backwards': images('sort=-name'),
    'by size': images('sort=-size'),
    'of a format few have': images('format=gif'),
    'of the format most have': images('format=jpeg'),
    failed: images('status=error'),
    'failed, by name': images('status=error&sort=name'),
    'completed, by size': images('status=completed&sort=size'),
    'search, 200 match': search('sunset'),
    'search, 200 match, by size': search('sunset', '&sort=size'),
    'search, none match': search('nowhere'),
    'search, all match': search('IMG_'),
    'search, all match, by name': search('IMG_', '&sort=name'),
    'search for 2 characters, all match': search('g_'),
    'search for 2 characters, none match': search('zz'),
    'count of all': count(''),
    'count of failed': count('status=error'),
    'count of a search, 200 match': count('q=sunset'),
    'page of 100 batches': '/api/batches?limit=100',
  },
  member: {
    'of a member': images(''),
    'of a member, by name': images('sort=name'),
    'of a member, by size': images('sort=-size'),
    'of a member, failed': images('status=error'),
    'of a member, completed': images('status=completed'),
    'of a member, search': search('sunset'),
    'of a member, count': count(''),
  },
} as const

async function measure(database: DatabaseName, filled: Filled): Promise<PageFigures[]> {
  const { url } = filled
  const last = `/api/list?limit=${PAGE}&cursor=${await lastCursor(filled)}`
  const admin = { first: `/api/list?limit=${PAGE}`, last, ...PATHS.admin }
  const paths: Record<string, string> = { ...admin, ...PATHS.member }
  const keyOf = (name: string) => (name in admin ? keys.admin : keys.member)
  const names = Object.keys(paths)
  const found = new Map<string, number>()
  const times = new Map(names.map((name) => [name, [] as number[]]))
  const spentMs = new Map(names.map((name) => [name, 0]))
  await shown(`pages of ${database}`, options.requests, async (progress) => {
    for (let number = -WARM_UP; number < options.requests; number++) {
      for (const name of names) {
        if (spentMs.get(name)! > MOST_MS) continue
        const startedAt = performance.now()
        const { images } = await ask(url, paths[name]!, keyOf(name))
        found.set(name, images)
        const ms = performance.now() - startedAt
        spentMs.set(name, spentMs.get(name)! + ms)
        if (number >= 0) times.get(name)!.push(ms)
      }
      progress(Math.max(0, number + 1))
    }
  })
  return names.flatMap((page) => {
    const own = percentiles(times.get(page)!)
    return own === null ? [] : [{ page, images: found.get(page)!, requests: times.get(page)!.length, times: own }]
  })
}

await inScratch(async (root) => {
  if (options.rows <= PAGE) throw new Error(`Give --rows more than ${PAGE}: the last page has to be another than the first.`)
  const found: { database: DatabaseName; pages: PageFigures[]; lastToFirst: number }[] = []
  for (const database of options.databases) {
    const { rows } = options
    const env = { AUTH: 'required' }
    await using filled = await fillDatabase({ database, rows, root, env, begin, statements: ofMembers, isAnalyzed: false })
    const pages = await measure(database, filled)
    const p50 = (name: string) => pages.find(({ page }) => page === name)?.times.p50 ?? NaN
    found.push({ database, pages, lastToFirst: round(p50('last') / p50('first'), 2) })
  }
  if (options.json) return console.log(JSON.stringify({ rows: options.rows, databases: found }))
  for (const { database, pages, lastToFirst } of found) {
    const lines = pages.map(({ page, images, requests, times }) => [
      page,
      String(images),
      cell(times.p50, 1),
      cell(times.p99, 1),
      String(requests),
    ])
    console.log(columns([[`${database}, ${options.rows} rows`, 'images', 'p50 ms', 'p99 ms', 'requests'], ...lines]))
    console.log(
      `\nThe last page takes ${lastToFirst} times the first (${MOST_LAST_TO_FIRST} is wanted, and a p99 of ${MOST_P99_MS} ms of both)\n`,
    )
  }
})
