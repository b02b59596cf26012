// File names that mean mischief, on every page that shows one: as they are, doing nothing.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import type { ApiImage } from '../../src/api/images.ts'
import type { ApiInitiated } from '../../src/api/uploads.ts'
import { send, setUp, type SignedIn } from '../support/clients/accounts.ts'
import { startBrowser, type TestBrowser, type TestPage } from '../support/clients/browser.ts'
import { change } from '../support/servers/data-dir.ts'
import { failingFiles } from '../support/inputs/failing-files.ts'
import { NAUGHTY_NAMES } from '../support/inputs/naughty-names.ts'
import { smallPhotograph } from '../support/inputs/photographs.ts'
import { startServer, type Server } from '../support/servers/server.ts'
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

/** By a link, as a person goes: the page is not loaded anew. */
const follow = (page: Page, path: string) =>
  page.evaluate((href) => {
    const link = document.body.appendChild(document.createElement('a'))
    link.href = href
    link.click()
    link.remove()
  }, path)

test('on the pages of images, with their timelines', async () => {
  await using tab = await open('/admin/images')
  const { page } = tab
  for (const { id, name } of sent.images) {
    await follow(page, `/admin/images/${id}`)
    await page.waitForFunction((wanted) => document.querySelector('h1')?.textContent === wanted, name)
    await page.getByTestId('timeline').waitFor()
  }
  await page.getByRole('button', { name: 'Delete' }).click()
  assert.equal(await page.locator('dialog bdi').textContent(), sent.images.at(-1)!.name)
})

test('in what workers have in hand, among the failures, and why the queue is paused', async () => {
  await send(server, 'POST', '/api/admin/queue/pause', { minutes: 5, reason: NAUGHTY_NAMES[2] }, root.headers)
  const { images } = await uploadAs(
    server,
    root,
    failingFiles(NAUGHTY_NAMES.length, 'in hand').map(({ bytes }, at) => ({ name: NAUGHTY_NAMES[at]!, bytes })),
  )
  const inSql = (some: ApiImage[]) => some.map(({ id }) => `'${id}'`).join()
  const theirs = (some: ApiImage[]) => `sha256 in (select sha256 from images where id in (${inSql(some)}))`
  /** The names that a list has, in some order. */
  const assertListed = async (label: string, some: ApiImage[]) => {
    const names = page.getByRole('list', { name: label }).locator('bdi')
    await names.nth(some.length - 1).waitFor()
    assert.deepEqual((await names.allTextContents()).sort(), some.map(({ name }) => name).sort())
  }

  await using tab = await open('/admin')
  const { page } = tab
  await page.getByTestId('pause').getByText(NAUGHTY_NAMES[2]!).waitFor()
  // As many as are listed, as if they had been begun.
  for (let at = 0; at < images.length; at += 12) {
    const some = images.slice(at, at + 12)
    await change(
      server,
      `update originals set status = 'processing', worker = (select id from workers), started_at = 1, lease_until = 9000000000000000
       where ${theirs(some)}`,
    )
    await change(server, `update images set status = 'processing' where id in (${inSql(some)})`)
    await page.goto(`${server.url}/admin/workers`)
    await assertListed('In hand', some)
    await change(server, `update originals set status = 'pending' where ${theirs(some)}`)
    await change(server, `update images set status = 'pending' where id in (${inSql(some)})`)
  }
  await page.getByTestId('pause').getByText(NAUGHTY_NAMES[2]!).waitFor()
  await send(server, 'POST', '/api/admin/queue/resume', undefined, root.headers)
  await allDeveloped(server, root)
  // As many as are shown, as if they had failed last.
  for (let at = 0; at < images.length; at += 6) {
    const some = images.slice(at).length < 6 ? images.slice(-6) : images.slice(at, at + 6)
    await change(server, `update images set finished_at = ${4_000_000_000_000 + at} where id in (${inSql(some)})`)
    await page.goto(`${server.url}/admin/failures`)
    await assertListed('Examples', some)
  }
  await page.goto(`${server.url}/admin/audit?q=paus`)
  await page.getByRole('row').locator('bdi').filter({ hasText: NAUGHTY_NAMES[2]! }).waitFor()
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
  await page.goto(`${server.url}/admin/audit?q=key.created`)
  const said = [...(await textsThrough(page, '[role=row] bdi'))].join('\n')
  for (const name of NAUGHTY_NAMES.slice(0, 6)) assert.ok(said.includes(`name: ${name}`), said)
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
