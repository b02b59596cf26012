// The page of a batch in a real browser: its ledger adds up and is live, failures say why, and each can be dealt with.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import type { ApiBatch, ApiDeclared } from '../../src/api/batches.ts'
import type { ApiInitiated } from '../../src/api/uploads.ts'
import { assertAccessible, startBrowser, type TestBrowser } from '../support/clients/browser.ts'
import { allFinal, ask, eventually, getBatch, upload } from '../support/clients/client.ts'
import { smallPhotograph, smallPhotographs } from '../support/inputs/photographs.ts'
import { startServer, type Server } from '../support/servers/server.ts'

let server: Server
let chromium: TestBrowser
before(async () => {
  ;[server, chromium] = await Promise.all([startServer(), startBrowser()])
})
after(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await server?.stop()
})

const tabs = (page: Page) => page.getByRole('navigation', { name: 'Files by state' })
const tab = (page: Page, name: string) => tabs(page).getByRole('link', { name, exact: true })
const rows = (page: Page, status: string) => page.locator(`[data-status=${status}]`)

async function declare(files: { name: string; bytes: Buffer }[]): Promise<string> {
  const { status, body } = await ask<ApiDeclared>(server, '/api/batches', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ files: files.map(({ name, bytes }) => ({ name, size: bytes.length })) }),
  })
  assert.equal(status, 201)
  return body.id
}

async function send(batch: string, files: { name: string; bytes: Buffer; index: number }[]): Promise<void> {
  const form = new FormData()
  for (const { name, bytes, index } of files) {
    form.append('index', String(index))
    form.append('images', new Blob([new Uint8Array(bytes)]), name)
  }
  const { status, text } = await ask<ApiInitiated>(server, `/api/async/batch/upload?batch=${batch}`, { method: 'POST', body: form })
  assert.equal(status, 202, text)
}

const photographs = async (count: number, seed: number) =>
  (await smallPhotographs(count, { seed })).map((bytes, index) => ({ name: `shore-${index}.jpg`, bytes, index }))

test('one bad file of twelve: the others are done, and this one says why and can be tried again', async () => {
  const files = await photographs(12, 1)
  files[4] = { name: 'torn.jpg', bytes: (await smallPhotograph({ seed: 99 })).subarray(0, 4_000), index: 4 }
  const { body } = await upload(server, 'batch', files)
  const images = await allFinal(server)
  const torn = images.find(({ name }) => name === 'torn.jpg')!
  await using opened = await chromium.open(`${server.url}/batches/${body.job_id}`)
  const { page } = opened
  await page.getByRole('heading', { name: '12 files' }).waitFor()
  await tab(page, 'All 12').waitFor()
  await tab(page, 'Developed 11').waitFor()
  await tab(page, 'Failed 1').click()
  await rows(page, 'error').getByText(torn.error!).waitFor()
  assert.equal(await rows(page, 'completed').count(), 0)
  assert.equal(new URL(page.url()).search, '?status=error')
  await assertAccessible(page)

  const retry = async (button: string) => {
    const before = (await allFinal(server)).find(({ id }) => id === torn.id)!.finished_at
    await page.getByRole('button', { name: button }).click()
    await eventually('it failed once more', async () => {
      const again = (await allFinal(server)).find(({ id }) => id === torn.id)!
      return again.status === 'error' && again.finished_at !== before
    })
    await tab(page, 'Failed 1').waitFor()
    await rows(page, 'error').getByText(torn.error!).waitFor()
  }
  await retry('Try torn.jpg again')
  await retry('Try 1 again')

  await tab(page, 'All 12').click()
  await page.getByRole('link', { name: 'See in gallery' }).click()
  await page.getByTestId('count').getByText('12 images', { exact: true }).waitFor()
})

test('what is still to be sent says how to go on, comes in live, and is done when all of it came', async () => {
  const files = await photographs(10, 200)
  const id = await declare(files)
  await send(id, files.slice(0, 4))
  await using opened = await chromium.open(`${server.url}/batches/${id}`)
  const { page } = opened
  await tab(page, 'Not sent yet 6').waitFor()
  await page.getByText('6 files are still to be sent', { exact: false }).waitFor()
  await tab(page, 'Developed 4').waitFor()
  await assertAccessible(page)
  await send(id, files.slice(4))
  await tab(page, 'Developed 10').waitFor()
  await page.getByText('Done', { exact: true }).waitFor()
  assert.equal(await page.getByRole('progressbar').getAttribute('aria-valuenow'), '100')
  await eventually('each row has its thumbnail', async () => (await rows(page, 'completed').locator('img').count()) === 10)
  assert.equal(await page.getByText('still to be sent', { exact: false }).count(), 0)
})

test('what is announced while the list is read is not undone by an answer that is older', async () => {
  const files = await photographs(4, 500)
  const id = await declare(files)
  await using opened = await chromium.open(`${server.url}/batches/${id}`)
  const { page } = opened
  await tab(page, 'Not sent yet 4').waitFor()
  await eventually('four rows', async () => (await rows(page, 'needed').count()) === 4)
  // The answers to a list are those of now, and arrive when everything is over.
  const over = Promise.withResolvers<void>()
  await page.route(/\/api\/batches\/[^/]+\?status=all/, async (route) => {
    const response = await route.fetch()
    await over.promise
    await route.fulfill({ response })
  })
  const developed = async () => (await rows(page, 'completed').locator('img').count()) === 4
  await send(id, files)
  await eventually('each row is developed', developed)
  over.resolve()
  await tab(page, 'Developed 4').waitFor()
  assert.ok(await developed())
})

test('a batch that is cancelled keeps what was done', async () => {
  const files = await photographs(5, 300)
  const id = await declare(files)
  await send(id, files.slice(0, 2))
  await using opened = await chromium.open(`${server.url}/batches/${id}`)
  const { page } = opened
  await tab(page, 'Developed 2').waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await tab(page, 'Cancelled 3').click()
  await eventually('three rows', async () => (await rows(page, 'aborted').count()) === 3)
  await page.getByRole('button', { name: 'Cancel' }).waitFor({ state: 'detached' })
  const { needed, aborted, completed, declared } = await getBatch(server, id)
  assert.deepEqual({ needed, aborted, completed, declared }, { needed: 0, aborted: 3, completed: 2, declared: 5 })
})

test('3,000 files: few rows are drawn, the last can be scrolled to', async () => {
  const { status, body } = await ask<ApiDeclared>(server, '/api/batches', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ files: Array.from({ length: 3_000 }, (_, index) => ({ name: `${index}.jpg`, size: 1_000 + index })) }),
  })
  assert.equal(status, 201)
  await using opened = await chromium.open(`${server.url}/batches/${body.id}`)
  const { page } = opened
  await tab(page, 'Not sent yet 3,000').waitFor()
  await rows(page, 'needed').getByText('0.jpg', { exact: true }).waitFor()
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
  await rows(page, 'needed').getByText('2999.jpg', { exact: true }).waitFor()
  assert.ok((await page.locator('li').count()) < 60)
  const ledger = await getBatch(server, body.id)
  assert.equal(ledger.needed, (ledger satisfies ApiBatch).declared)
})

test('a batch that is not there says so', async () => {
  await using opened = await chromium.open(`${server.url}/batches/019ab1c2-0000-7000-8000-000000000000`, { expected: /404/ })
  await opened.page.getByRole('heading', { name: 'This batch is not here' }).waitFor()
  await assertAccessible(opened.page)
})
