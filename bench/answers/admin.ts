// `npm run bench:admin`: every question of the admin area about a million images, on both databases.
import { Command, Option } from 'commander'
import { cell, columns } from '../run/columns.ts'
import { DATABASES, fillDatabase, uploadOne, type DatabaseName, type Filled, type Numbers } from '../run/many-rows.ts'
import { someOf, wholeNumber } from '../run/options.ts'
import { shown } from '../run/progress.ts'
import { inScratch } from '../run/scratch.ts'
import { percentiles, type Percentiles } from '../measure/statistics.ts'

const MOST_P99_MS = 200
/** So long at most each question is asked. */
const MOST_MS = 10_000
const WARM_UP = 5
const PAGE = 100
const OWNERS = 20

const options = new Command('npm run bench:admin --')
  .description(
    'Fills the database of a server of its own with rows of images, each with an original and renditions of its own, in batches of 100 of ' +
      `${OWNERS} users, one in a thousand failed and one in a hundred waiting, in a queue that is paused; then asks every question of the ` +
      'admin area, one after the other, in turns. Milliseconds to the answer, on SQLite and on PostgreSQL (npm run cluster, through nginx).',
  )
  .option('--rows <number>', 'images', wholeNumber(10_000_000), 1_000_000)
  .option('--requests <number>', 'for each question', wholeNumber(100_000), 50)
  .addOption(new Option('--databases <list>', 'which').argParser(someOf(DATABASES)).default([...DATABASES], DATABASES.join()))
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ rows: number; requests: number; databases: DatabaseName[]; json?: true }>()

const ownerOf = (number: number) => `00000000-0000-4000-a000-${number.toString(16).padStart(12, '0')}`

/** Of the one there is: a second apart each, of every kind that can be asked for. */
function various({ from, hex }: Numbers): string[] {
  const id = `'00000000-0000-4000-8000-' || ${hex('n', 12)}`
  const batch = `'00000000-0000-4000-9000-' || ${hex('n / 100', 12)}`
  const owner = `'00000000-0000-4000-a000-' || ${hex(`n / 100 % ${OWNERS}`, 12)}`
  // All over the index, as hashes are.
  const sha256 = `${hex('n * 2654435761 % 4294967296', 8)} || ${hex('n', 56)}`
  const status = `case when n % 1000 = 0 then 'error' when n % 100 = 1 then 'pending' else 'completed' end`
  const code = `case when n % 1000 <> 0 then null when n % 3000 = 0 then 'processing_timeout' when n % 50000 = 0 then 'internal' else 'invalid_image' end`
  const work = `case when n % 1000 = 0 then 'failed' when n % 100 = 1 then 'pending' else 'idle' end`
  const made = `n % 1000 <> 0 and n % 100 <> 1`
  const format = `case when n % 997 = 0 then 'avif' when n % 10 = 0 then 'png' else 'jpeg' end`
  const finished = `case when n % 100 = 1 then null else finished_at - n * 1000 end`
  const one = `(select * from images where batch_index = 0 and id not like '00000000-%') as one`
  return [
    `insert into users (id, email, name, role, password_hash, created_at)
     select ${owner}, 'user' || (n / 100) || '@example.org', 'User', 'member', 'none', 1 from ${from} where n % 100 = 0 and n / 100 < ${OWNERS}`,
    `insert into batches (id, kind, owner_id, created_at, received_at, rejected)
     select ${batch}, 'batch', ${owner}, uploaded_at - n * 1000, uploaded_at - n * 1000, '[]' from ${one}, ${from}
     where n % 100 = 0 or n = 1`,
    `insert into originals (sha256, size, format, status, finished_at, width, height, thumbhash, code, error, attempts, started_at, worker)
     select ${sha256}, size + n % 4096, ${format}, ${work}, ${finished}, 100, 100, 'aGFzaA==', ${code}, ${code}, 1, uploaded_at - n * 1000, 'here-1'
     from ${one}, ${from}`,
    `insert into renditions (sha256, operation, status, width, height, bytes)
     select ${sha256}, operation, case when ${made} then 'completed' else 'pending' end, case when ${made} then 100 end,
       case when ${made} then 100 end, case when ${made} then 1000 end
     from ${one}, ${from}, recipe_outputs where recipe_outputs.recipe = one.recipe and recipe_outputs.format = ${format}`,
    `insert into images (id, batch_id, owner_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at, finished_at, code)
     select ${id}, ${batch}, ${owner}, n % 100 + 1, 'IMG_' || n || case when n % 5003 = 0 then ' sunset' else '' end || '.jpg', ${format},
       size + n % 4096, ${sha256}, recipe, ${status}, uploaded_at - n * 1000, ${finished}, ${code}
     from ${one}, ${from}`,
  ]
}

async function send(url: string, path: string, body?: object): Promise<Response> {
  const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(url + path, body && json)
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`)
  return response
}

async function begin(server: { url: string }): Promise<void> {
  await uploadOne(server)
  await send(server.url, '/api/admin/queue/pause', { minutes: 24 * 60 })
}

interface Question {
  path: string
  body?: object
}

/** As people ask: lists with and without filters, at their beginning and in their middle. */
async function questions(url: string): Promise<Record<string, Question>> {
  const images = (query: string): Question => ({ path: `/api/admin/images?limit=${PAGE}&${query}` })
  const batches = (query: string): Question => ({ path: `/api/admin/batches?limit=50&${query}` })
  const count = (filter: object): Question => ({ path: '/api/admin/selection/count', body: { filter } })
  const { body, next, at } = await middle(url)
  const week = `from=${at}&to=${new Date(Date.parse(at) + 7 * 24 * 3600_000).toISOString()}`
  return {
    overview: { path: '/api/admin/overview' },
    'images, newest': images(''),
    'images, in the middle': images(`cursor=${next}`),
    'images by name': images('sort=name'),
    'images by size': images('sort=-size'),
    'images of an owner': images(`owner=${ownerOf(3)}`),
    'images, failed': images('status=error'),
    'images, failed, by size': images('status=error&sort=-size'),
    'images, waiting, oldest': images('status=pending&sort=oldest'),
    'images of a code': images('code=invalid_image'),
    'images of a rare code': images('code=internal'),
    'images, failed, of an owner': images(`owner=${ownerOf(3)}&status=error`),
    'images of a rare format': images('format=avif'),
    'images of a rare format, by name': images('format=avif&sort=name'),
    'images of a week': images(week),
    'images of a week, by name': images(`${week}&sort=name`),
    'images of an hour, by name': images(`from=${at}&to=${new Date(Date.parse(at) + 3600_000).toISOString()}&sort=name`),
    'images of a batch': images(`batch=${body.job_id.slice(0, 36)}`),
    'images, search, few match': images('q=sunset'),
    'an image': { path: `/api/admin/images/${body.id}` },
    'batches, newest': batches(''),
    'batches, open': batches('state=open'),
    'batches, done': batches('state=done'),
    'batches, failed': batches('state=failed'),
    'batches of an owner, failed': batches(`state=failed&owner=${ownerOf(3)}`),
    failures: { path: '/api/admin/failures' },
    workers: { path: '/api/admin/workers' },
    queue: { path: '/api/admin/queue' },
    jobs: { path: '/api/admin/jobs' },
    settings: { path: '/api/admin/settings' },
    'count of a code': count({ code: 'invalid_image' }),
    'count of a rare code': count({ code: 'internal' }),
    'count of failed': count({ status: 'error' }),
    'count of an owner': count({ owner: ownerOf(3) }),
    'count of all': count({}),
  }
}

/** An image from the middle of the list, and the cursor that stands there. */
async function middle(url: string) {
  const now = Date.now()
  const to = new Date(now - (options.rows / 2) * 1000).toISOString()
  const response = await send(url, `/api/admin/images?limit=1&to=${to}`)
  const [body] = (await response.json()) as { id: string; job_id: string; uploaded_at: string }[]
  const next = /cursor=([^>&]+)/.exec(response.headers.get('link') ?? '')?.[1]
  if (!body || next === undefined) throw new Error('There is no image in the middle of the list.')
  return { body, next, at: body.uploaded_at }
}

interface Figures {
  question: string
  requests: number
  times: Percentiles
}

async function measure(database: DatabaseName, { url }: Filled): Promise<Figures[]> {
  const asked = Object.entries(await questions(url)).map(([question, { path, body }]) => ({
    question,
    path,
    body,
    times: [] as number[],
    spentMs: 0,
  }))
  await shown(`questions to ${database}`, options.requests, async (progress) => {
    for (let number = -WARM_UP; number < options.requests; number++) {
      for (const one of asked) {
        if (one.spentMs > MOST_MS) continue
        const startedAt = performance.now()
        await (await send(url, one.path, one.body)).arrayBuffer()
        const ms = performance.now() - startedAt
        one.spentMs += ms
        if (number >= 0) one.times.push(ms)
      }
      progress(Math.max(0, number + 1))
    }
  })
  return asked.flatMap(({ question, times }) => {
    const own = percentiles(times)
    return own === null ? [] : [{ question, requests: times.length, times: own }]
  })
}

await inScratch(async (root) => {
  if (options.rows < 5_000) throw new Error('Give --rows 5000 or more: fewer have not one of each kind.')
  const found: { database: DatabaseName; questions: Figures[] }[] = []
  for (const database of options.databases) {
    await using filled = await fillDatabase({ database, rows: options.rows, root, begin, statements: various, isAnalyzed: true })
    found.push({ database, questions: await measure(database, filled) })
  }
  if (options.json) return console.log(JSON.stringify({ rows: options.rows, databases: found }))
  for (const { database, questions } of found) {
    const lines = questions.map(({ question, requests, times }) => {
      return [question, cell(times.p50, 1), cell(times.p99, 1), String(requests), times.p99 > MOST_P99_MS ? 'slow' : '']
    })
    console.log(columns([[`${database}, ${options.rows} rows`, 'p50 ms', 'p99 ms', 'requests', `over ${MOST_P99_MS} ms`], ...lines]))
    console.log()
  }
})
