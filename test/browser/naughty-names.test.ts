// File names that mean mischief, on every page that shows one: as they are, doing nothing.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import type { ApiInitiated } from '../../src/api.ts'
import { send, setUp, type SignedIn } from '../support/accounts.ts'
import { startBrowser, type TestBrowser, type TestPage } from '../support/browser.ts'
import { NAUGHTY_NAMES } from '../support/naughty-names.ts'
import { smallPhotograph } from '../support/photographs.ts'
import { startServer, type Server } from '../support/server.ts'
import { allDeveloped, openAs, uploadAs } from './signed-in.ts'

let server: Server
let chromium: TestBrowser
let root: SignedIn
let sent: ApiInitiated
before(async () => {
  ;[server, chromium] = await Promise.all([startServer({ env: { AUTH: 'required', LOG_LEVEL: 'warn' } }), startBrowser()])
  root = await setUp(server)
  const bytes = await smallPhotograph({ seed: 5 })
  const broken = bytes.subarray(0, 300)
  sent = await uploadAs(
    server,
    root,
    NAUGHTY_NAMES.map((name, at) => ({ name, bytes: at % 2 === 0 ? bytes : Buffer.concat([broken, Buffer.from(`${at}`)]) })),
  )
  assert.deepEqual(
    sent.images.map(({ name }) => name),
    NAUGHTY_NAMES,
  )
  await allDeveloped(server, root)
})
after(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await server?.stop()
})

/** A tab that fails its test if a script of a name ever runs. */
async function open(path: string): Promise<TestPage> {
  const tab = await openAs(chromium, server, root, path)
  tab.page.on('dialog', (dialog) => {
    tab.complaints.push(`A name ran: ${dialog.message()}`)
    void dialog.dismiss()
  })
  return tab
}

/** Texts of what `selector` finds, read as the page is scrolled to its end. */
async function textsThrough(page: Page, selector: string): Promise<Set<string>> {
  const texts = new Set<string>()
  await page.locator(selector).first().waitFor()
  for (let top = 0; ; top += 400) {
    for (const text of await page.locator(selector).allTextContents()) texts.add(text)
    const isEnd = await page.evaluate((to) => {
      scrollTo(0, to)
      return to > document.body.scrollHeight
    }, top)
    await page.waitForTimeout(60)
    if (isEnd) return texts
  }
}

function assertAllShown(texts: Set<string>, names: readonly string[]) {
  assert.deepEqual(
    names.filter((name) => !texts.has(name)),
    [],
    'names that are not shown as they are',
  )
}

test('in the list of images', async () => {
  await using tab = await open('/admin/images')
  assertAllShown(await textsThrough(tab.page, '[role=row] a bdi'), NAUGHTY_NAMES)
  await tab.page.goto(`${server.url}/admin/images?q=${encodeURIComponent('<script>alert')}`)
  await tab.page.getByRole('link', { name: '<script>alert(123)</script>', exact: true }).waitFor()
})

test('on the pages of failures, and of images', async () => {
  await using tab = await open('/admin/failures')
  const { page } = tab
  const samples = await textsThrough(page, '[aria-label=Examples] bdi')
  assert.ok(samples.size > 0 && [...samples].every((name) => NAUGHTY_NAMES.includes(name)))
  for (const { id, name } of sent.images.slice(0, 14)) {
    await page.goto(`${server.url}/admin/images/${id}`)
    await page.getByTestId('timeline').waitFor()
    assert.equal(await page.locator('h1').textContent(), name)
  }
  await page.getByRole('button', { name: 'Delete' }).click()
  assert.equal(await page.locator('dialog bdi').textContent(), sent.images[13]!.name)
})

test('in what workers have in hand, and why the queue is paused', async () => {
  await send(server, 'POST', '/api/admin/queue/pause', { minutes: 5, reason: NAUGHTY_NAMES[2] }, root.headers)
  await using tab = await open('/admin/workers')
  const { page } = tab
  await page.getByTestId('pause').getByText(NAUGHTY_NAMES[2]!).waitFor()
  await page.goto(`${server.url}/admin`)
  await page.getByTestId('pause').getByText(NAUGHTY_NAMES[2]!).waitFor()
  await send(server, 'POST', '/api/admin/queue/resume', undefined, root.headers)
  await page.goto(`${server.url}/admin/audit?q=paus`)
  await page.getByRole('row').nth(1).waitFor()
})

test('in names of keys and people', async () => {
  for (const name of NAUGHTY_NAMES.slice(0, 6)) {
    const made = await send(server, 'POST', '/api/keys', { name, scopes: ['read'] }, root.headers)
    assert.equal(made.status, 201, made.text)
  }
  const user = await send(
    server,
    'POST',
    '/api/admin/users',
    { email: 'x@example.org', name: NAUGHTY_NAMES[0], role: 'member' },
    root.headers,
  )
  assert.equal(user.status, 201, user.text)
  await using tab = await open('/admin/keys')
  const { page } = tab
  assertAllShown(await textsThrough(page, '[role=row] bdi'), NAUGHTY_NAMES.slice(0, 6))
  await page.goto(`${server.url}/account`)
  assertAllShown(await textsThrough(page, '#keys bdi'), NAUGHTY_NAMES.slice(0, 6))
  await page.goto(`${server.url}/admin/users`)
  assertAllShown(await textsThrough(page, '[role=row] bdi'), NAUGHTY_NAMES.slice(0, 1))
})

test('in the gallery and its batches', async () => {
  await using tab = await open(`/batches/${sent.job_id}`)
  const { page } = tab
  assertAllShown(await textsThrough(page, 'ul[aria-label=Files] .name'), NAUGHTY_NAMES)
  for (const path of ['/gallery', '/admin/batches', `/gallery/${sent.images[0]!.id}`]) {
    await page.goto(server.url + path)
    await page.waitForLoadState('networkidle')
  }
  await page.locator('.pswp').waitFor()
})
