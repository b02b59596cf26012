// The admin area in a browser: each page shows what is there, live, by the keyboard alone where it asks, and axe finds nothing.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import type { ApiAdminImage } from '../../../src/api/admin.ts'
import { letIn, makeKey, send, setUp, signIn, type SignedIn } from '../../support/clients/accounts.ts'
import { assertAccessible, startBrowser, type TestBrowser } from '../../support/clients/browser.ts'
import { ask, eventually } from '../../support/clients/client.ts'
import { failingFiles } from '../../support/inputs/failing-files.ts'
import { smallPhotographs } from '../../support/inputs/photographs.ts'
import { startServer, type Server } from '../../support/servers/server.ts'
import { allDeveloped, askAs, openAs, uploadAs } from '../signed-in.ts'

const PHOTOGRAPHS = 12
const FAILURES = 150

let server: Server
let chromium: TestBrowser
let root: SignedIn
let ada: SignedIn
before(async () => {
  const env = { AUTH: 'required', LOG_LEVEL: 'warn', MAX_FILES: '1000' }
  ;[server, chromium] = await Promise.all([startServer({ env }), startBrowser()])
  root = await setUp(server)
  ada = await letIn(server, root, 'ada@example.org')
  const photographs = await smallPhotographs(PHOTOGRAPHS)
  await uploadAs(
    server,
    ada,
    photographs.map((bytes, at) => ({ name: `Iceland ${at + 1}.jpg`, bytes })),
  )
  await uploadAs(server, root, failingFiles(FAILURES))
  await allDeveloped(server, root)
})
after(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await server?.stop()
})

const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
const row = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text })
const failedImages = () => askAs<ApiAdminImage[]>(server, root, '/api/admin/images?status=error&limit=1')

test('the overview tells what is there, and goes on telling', async () => {
  await using tab = await openAs(chromium, server, root, '/gallery')
  const { page } = tab
  await page.getByRole('link', { name: 'Admin' }).click()
  await heading(page, 'Overview')
  await page
    .getByTestId('figure-Developed')
    .filter({ hasText: String(PHOTOGRAPHS) })
    .waitFor()
  assert.equal(await page.getByTestId('figure-Failed').innerText(), String(FAILURES))
  const told = await page.getByTestId('throughput').getAttribute('aria-label')
  assert.match(told!, new RegExp(`${PHOTOGRAPHS} images developed, ${FAILURES} failed`))
  assert.equal(await page.getByTestId('throughput').locator('g').count(), 60)
  await page.getByTestId('workers-alive').filter({ hasText: '1 process' }).waitFor()
  assert.match(await page.getByTestId('database-size').innerText(), /\d (kB|MB)/)
  await page.getByRole('link', { name: /^invalid_image/ }).waitFor()
  await assertAccessible(page)
  const [bytes] = await smallPhotographs(1, { seed: 900 })
  await uploadAs(server, ada, [{ name: 'While it is looked at.jpg', bytes: bytes! }])
  await page
    .getByTestId('figure-Developed')
    .filter({ hasText: String(PHOTOGRAPHS + 1) })
    .waitFor()
})

test('images are searched, filtered and sorted in the address, and read as they are scrolled to', async () => {
  await using tab = await openAs(chromium, server, root, '/admin/images')
  const { page } = tab
  const table = page.getByRole('table', { name: 'Images' })
  await row(page, 'While it is looked at.jpg').getByText('ada@example.org').waitFor()
  await page.getByLabel('Search by name').fill('Iceland')
  await page.waitForURL('**/admin/images?q=Iceland')
  await eventually('only those are listed', async () => (await table.getByRole('link', { name: /^Iceland/ }).count()) === PHOTOGRAPHS)
  assert.equal(await table.getByRole('row').count(), PHOTOGRAPHS + 1)
  await page.getByLabel('Order').selectOption('Name, A to Z')
  await page.waitForURL('**/admin/images?q=Iceland&sort=name')
  await eventually('the first by name is first', async () => (await table.getByRole('link').first().innerText()) === 'Iceland 1.jpg')
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await page.getByLabel('State').selectOption('Failed')
  await page.waitForURL('**/admin/images?status=error&sort=name')
  await row(page, 'bad-0.jpg').waitFor()
  // The last one is of the second page; rows out of sight are not there.
  await eventually('the end is reached', async () => {
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight))
    return (await row(page, 'bad-99.jpg').count()) === 1
  })
  assert.ok((await table.getByRole('row').count()) < 60)
  await page.goBack()
  await page.goBack()
  await page.waitForURL('**/admin/images?q=Iceland&sort=name')
  await row(page, 'Iceland 1.jpg').first().getByRole('button', { name: 'ada@example.org' }).click()
  await page.waitForURL(`**owner=${ada.id}*`)
  // Of days that have not come there is nothing.
  await page.goto(`${server.url}/admin/images?from=2100-01-01`)
  await page.getByText('No image is like that.').waitFor()
  await page.goto(`${server.url}/admin/images?status=nonsense&owner=1&sort=&q=Iceland+12`)
  await row(page, 'Iceland 12.jpg').getByRole('checkbox').check()
  await assertAccessible(page)
})

test('chosen images are counted, confirmed by the keyboard alone, and deleted in the background', async () => {
  await uploadAs(server, root, failingFiles(3, 'unwanted'))
  await allDeveloped(server, root)
  await using tab = await openAs(chromium, server, root, '/admin/images?q=unwanted')
  const { page } = tab
  await row(page, 'unwanted-1.jpg').getByRole('checkbox').check()
  await row(page, 'unwanted-2.jpg').getByRole('checkbox').check()
  await page.getByTestId('picked').getByText('2 chosen').waitFor()
  const begin = page.getByTestId('picked').getByRole('button', { name: 'Delete' })
  await begin.focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Delete 2 images?' })
  await dialog.waitFor()
  await assertAccessible(page)
  for (let tabs = 0; tabs < 6; tabs++) {
    await page.keyboard.press('Tab')
    assert.equal(
      await page.evaluate(() => document.activeElement === document.body || document.activeElement!.closest('dialog') !== null),
      true,
    )
  }
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  assert.equal(await begin.evaluate((button) => button === document.activeElement), true, 'the focus is back')
  await page.keyboard.press('Enter')
  await dialog.getByRole('button', { name: 'Delete 2 images' }).focus()
  await page.keyboard.press('Enter')
  await page.getByTestId('jobs').getByText('2 images deleted').waitFor()
  await row(page, 'unwanted-1.jpg').waitFor({ state: 'detached' })
  await row(page, 'unwanted-0.jpg').waitFor()
  await assertAccessible(page)
})

test('an image has its timeline, and is tried again from there', async () => {
  const [failed] = await failedImages()
  const [good] = await askAs<ApiAdminImage[]>(server, root, '/api/admin/images?q=Iceland&limit=1')
  await using tab = await openAs(chromium, server, root, `/admin/images/${good!.id}`)
  const { page } = tab
  await heading(page, good!.name)
  const timeline = page.getByTestId('timeline')
  for (const step of ['Received', 'Recorded', 'Started', 'Developed']) await timeline.getByText(step, { exact: true }).waitFor()
  await page.getByRole('img', { name: good!.name }).waitFor()
  await page.getByRole('link', { name: 'ada@example.org' }).waitFor()
  await assertAccessible(page)
  await page.goto(`${server.url}/admin/images/${failed!.id}`)
  await timeline.getByText('Failed', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Try again' }).click()
  await eventually('it was tried again', async () => {
    const [now] = await askAs<ApiAdminImage[]>(server, root, `/api/admin/images?q=${failed!.name}&limit=1`)
    return now!.status === 'error' && now!.finished_at !== failed!.finished_at
  })
  await assertAccessible(page)
})

test('batches show whose they are and how they stand', async () => {
  await using tab = await openAs(chromium, server, root, '/admin/batches')
  const { page } = tab
  await row(page, `${PHOTOGRAPHS} developed`).getByText('ada@example.org').waitFor()
  await row(page, `${FAILURES} failed`).getByRole('checkbox').check()
  await page.getByTestId('picked').getByRole('button', { name: 'Retry failed' }).click()
  await page
    .getByRole('dialog', { name: `Retry ${FAILURES} images?` })
    .getByRole('button', { name: 'Cancel' })
    .click()
  await assertAccessible(page)
  await page.getByLabel('State').selectOption('With failures')
  await page.waitForURL('**/admin/batches?state=failed')
  await row(page, `${PHOTOGRAPHS} developed`).waitFor({ state: 'detached' })
})

test('failures are grouped by their reason, with examples', async () => {
  await using tab = await openAs(chromium, server, root, '/admin/failures')
  const { page } = tab
  const group = page.getByTestId('failure-invalid_image')
  await group.getByText('damaged').waitFor()
  assert.equal(await group.getByRole('list', { name: 'Examples' }).getByRole('listitem').count(), 6)
  await assertAccessible(page)
  await group.getByRole('link', { name: 'See them' }).click()
  await page.waitForURL('**/admin/images?status=error&code=invalid_image')
  await page.getByRole('button', { name: /^Failed with invalid_image/ }).click()
  await page.waitForURL('**/admin/images?status=error')
})

test('the queue is paused with a reason, and resumed', async () => {
  await using tab = await openAs(chromium, server, root, '/admin/workers')
  const { page } = tab
  await page.getByTestId('worker').getByText('Alive').waitFor()
  await page.getByRole('button', { name: 'Pause the queue…' }).click()
  const dialog = page.getByRole('dialog', { name: 'Pause the queue?' })
  await dialog.getByLabel('For how long').selectOption('5 minutes')
  await dialog.getByLabel('Why').fill('The <i>disk</i> is moved')
  await assertAccessible(page)
  await dialog.getByRole('button', { name: 'Pause the queue' }).click()
  const banner = page.getByTestId('pause')
  await banner.getByText('The <i>disk</i> is moved').waitFor()
  await banner.getByText('root@example.org').waitFor()
  const photographs = await smallPhotographs(2, { seed: 700 })
  await uploadAs(
    server,
    ada,
    photographs.map((bytes, at) => ({ name: `Later ${at}.jpg`, bytes })),
  )
  await page
    .getByTestId('queue')
    .filter({ hasText: /Waiting\s*2/ })
    .waitFor()
  await assertAccessible(page)
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByTestId('pause').waitFor()
  await page.getByTestId('figure-In hand').filter({ hasText: '2' }).waitFor()
  await page.getByRole('link', { name: 'Look at the queue' }).click()
  await page.getByTestId('pause').getByRole('button', { name: 'Resume' }).click()
  await banner.waitFor({ state: 'detached' })
  await page
    .getByTestId('queue')
    .filter({ hasText: /Waiting\s*0/ })
    .waitFor({ timeout: 30_000 })
  await allDeveloped(server, root)
})

test('users are made, given a role, kept out and helped to a new password', async () => {
  await using tab = await openAs(chromium, server, root, '/admin/users', { expected: /status of (409|401)/ })
  const { page } = tab
  await row(page, 'ada@example.org').waitFor()
  await page.getByRole('button', { name: 'New user' }).click()
  const dialog = page.getByRole('dialog', { name: 'New user' })
  await dialog.getByLabel('Name').fill('Anna "the" <Atkins>')
  await dialog.getByLabel('E-mail').fill('anna@example.org')
  await assertAccessible(page)
  await dialog.getByRole('button', { name: 'Make the user' }).click()
  const secret = page.getByTestId('secret')
  const first = await secret.innerText()
  const anna = await signIn(server, 'anna@example.org', first)
  await row(page, 'anna@example.org').getByText('Anna "the" <Atkins>').waitFor()
  await assertAccessible(page)
  await page.getByLabel('Role of anna@example.org').selectOption('Administrator')
  await eventually('the role is changed', async () => {
    const { status } = await ask(server, '/api/admin/users', { headers: anna.headers })
    return status === 200
  })
  const key = await makeKey(server, anna, ['read'])
  const reset = async ({ revokesKeys }: { revokesKeys: boolean }) => {
    const before = await secret.innerText()
    await page.getByRole('button', { name: 'New password for anna@example.org' }).click()
    const asking = page.getByRole('dialog')
    if (revokesKeys) await asking.getByLabel('Also revoke all their API keys').check()
    await asking.getByRole('button', { name: 'Make a new password' }).click()
    await eventually('the password is another', async () => (await secret.innerText()) !== before)
    await signIn(server, 'anna@example.org', await secret.innerText())
  }
  await reset({ revokesKeys: false })
  await page.getByText('Their API key still works.').waitFor()
  assert.equal((await ask(server, '/api/images', { headers: key.headers })).status, 200)
  await reset({ revokesKeys: true })
  await page.getByText('Their API key is revoked.').waitFor()
  assert.equal((await ask(server, '/api/images', { headers: key.headers })).status, 401)
  await page.getByRole('button', { name: 'Keep out anna@example.org' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Keep them out' }).click()
  await row(page, 'anna@example.org').getByText('Kept out').waitFor()
  assert.equal((await ask(server, '/api/images', { headers: anna.headers })).status, 401)
  await page.getByRole('button', { name: 'Let in again: anna@example.org' }).click()
  await row(page, 'anna@example.org').getByText('Active').waitFor()
  await page.getByLabel('Role of anna@example.org').selectOption('Member')
  await row(page, 'anna@example.org').getByText('Active').waitFor()
  // Someone has to be left to look after it all.
  await page.getByLabel('Role of root@example.org').selectOption('Member')
  await page.getByRole('alert').waitFor()
  await eventually('it is shown as it is', async () => (await page.getByLabel('Role of root@example.org').inputValue()) === 'admin')
  await page.getByLabel('Search by name or e-mail').fill('anna')
  await page.waitForURL('**/admin/users?q=anna')
  await row(page, 'ada@example.org').waitFor({ state: 'detached' })
})

test('keys of everyone are seen and revoked', async () => {
  const { headers } = await makeKey(server, ada, ['read', 'upload'])
  await using tab = await openAs(chromium, server, root, '/admin/keys')
  const { page } = tab
  await row(page, 'ada@example.org').getByRole('button', { name: 'Revoke read upload' }).click()
  await assertAccessible(page)
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke the key' }).click()
  await row(page, 'ada@example.org')
    .getByText(/^Revoked/)
    .waitFor()
  assert.equal((await ask(server, '/api/images', { headers })).status, 401)
  await assertAccessible(page)
})

test('the audit log is searched, and taken along as CSV', async () => {
  await using tab = await openAs(chromium, server, root, '/admin/audit')
  const { page } = tab
  await row(page, 'key.created').first().waitFor()
  await assertAccessible(page)
  await page.getByLabel('Search').fill('key.created')
  await page.waitForURL('**/admin/audit?q=key.created')
  await row(page, 'login').first().waitFor({ state: 'detached' })
  await row(page, 'key.created').getByText('ada@example.org').first().waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'As CSV' }).click()])
  assert.equal(download.suggestedFilename(), 'audit.csv')
  const text = await (await fetch(download.url(), { headers: root.headers })).text()
  assert.match(text, /^"at","user",/)
  assert.match(text, /key\.created/)
  assert.doesNotMatch(text, /"user\.created"/)
  await page.getByRole('textbox', { name: 'From' }).or(page.getByLabel('From')).fill('2100-01-01')
  await page.getByText('Nothing is written there for this search.').waitFor()
})

test('the settings are shown as the server was started', async () => {
  await using tab = await openAs(chromium, server, root, '/admin/settings')
  const { page } = tab
  const settings = page.getByTestId('settings')
  await settings.getByText('AUTH', { exact: true }).waitFor()
  await settings.getByText('required', { exact: true }).waitFor()
  await assertAccessible(page)
  await page.getByLabel('Search settings').fill('MAX_FILES')
  await page.waitForURL('**/admin/settings?q=MAX_FILES')
  await settings.getByText('1000', { exact: true }).waitFor()
  await settings.getByText('AUTH', { exact: true }).waitFor({ state: 'detached' })
})

/** What is wider than the page, by its outermost elements. */
const tooWide = (page: Page) =>
  page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement
    if (scrollWidth <= clientWidth) return []
    const isOut = (element: Element) => element.getBoundingClientRect().right > clientWidth
    return [...document.querySelectorAll('body *')].filter((element) => isOut(element)).map(({ outerHTML }) => outerHTML.slice(0, 120))
  })

test('on a phone no page is wider than it, and what each is for can be reached', async () => {
  const long = 'no-space-in-it-at-all'.repeat(9)
  const { images } = await uploadAs(
    server,
    root,
    failingFiles(1).map(({ bytes }) => ({ name: `${long}.jpg`, bytes: Buffer.concat([bytes, Buffer.from(long)]) })),
  )
  await letIn(server, root, `${long.slice(0, 60)}@a-very-long-name-of-a-company.example.org`)
  for (const name of [long.slice(0, 100), 'The scanner in the hall'])
    assert.equal((await send(server, 'POST', '/api/keys', { name, scopes: ['read', 'upload', 'delete'] }, root.headers)).status, 201)
  await allDeveloped(server, root)
  const [batch] = await askAs<{ id: string }[]>(server, root, '/api/admin/batches?limit=1')

  type Reach = (page: Page) => Locator[]
  const button = (name: string | RegExp) => (page: Page) => page.getByRole('button', { name }).first()
  const label = (name: string) => (page: Page) => page.getByLabel(name).first()
  const all =
    (...each: ((page: Page) => Locator)[]): Reach =>
    (page) =>
      each.map((one) => one(page))
  const checked = async (page: Page) => page.getByRole('row').getByRole('checkbox').first().check()
  const pages: [path: string, reach: Reach, begin?: (page: Page) => Promise<void>][] = [
    ['/admin', all((page) => page.getByRole('link', { name: /^invalid_image/ }))],
    ['/admin/images?status=error', all(label('Search by name'), label('Order'), button('Retry failed'), button('Delete')), checked],
    [`/admin/images/${images[0]!.id}`, all(button('Try again'), button('Delete'))],
    ['/admin/batches', all(label('State'), button('Retry failed'), button('Delete')), checked],
    ['/admin/failures', all((page) => page.getByRole('link', { name: 'See them' }).first(), button(/^Retry all/), button(/^Delete all/))],
    ['/admin/workers', all(button('Pause the queue…'))],
    ['/admin/users', all(button('New user'), label('Role of ada@example.org'), button('Keep out ada@example.org'))],
    ['/admin/keys', all(label('Search by name or owner'), button('Revoke The scanner in the hall'))],
    ['/admin/audit', all(label('Search'), (page) => page.getByRole('link', { name: 'As CSV' }))],
    [
      '/admin/settings',
      all(label('Search settings'), (page) => page.getByRole('navigation', { name: 'Administration' }).getByText('Settings')),
    ],
    ['/account', all(button('New key'), button('Revoke The scanner in the hall'), button('Change password'))],
    [`/batches/${batch!.id}`, all((page) => page.getByRole('heading', { level: 1 }))],
    ['/gallery', all((page) => page.getByRole('heading', { level: 1 }))],
    ['/', all((page) => page.getByRole('button', { name: /photographs/ }))],
  ]
  const phone = { viewport: { width: 360, height: 740 } }
  await using tab = await openAs(chromium, server, root, '/account', phone)
  const { page } = tab
  const assertFits = async (what: string, reach: Locator[]) => {
    for (const one of reach) {
      await one.click({ trial: true })
      const box = (await one.boundingBox())!
      assert.ok(box.x >= 0 && box.x + box.width <= phone.viewport.width, `${what}: ${one.toString()} is cut off`)
    }
    assert.deepEqual(await tooWide(page), [], what)
  }
  for (const [path, reach, begin] of pages) {
    await page.goto(server.url + path)
    await begin?.(page)
    await assertFits(path, reach(page))
  }
  for (const [path, opening, action] of [
    ['/admin/workers', 'Pause the queue…', 'Pause the queue'],
    ['/admin/users', 'New user', 'Make the user'],
    ['/account', 'New key', 'Make the key'],
    [`/admin/images/${images[0]!.id}`, 'Delete', 'Delete the image'],
  ] as const) {
    await page.goto(server.url + path)
    await page.getByRole('button', { name: opening }).first().click()
    await assertFits(`${path}: ${opening}`, [page.getByRole('dialog').getByRole('button', { name: action })])
  }
  await page.goto(`${server.url}/admin`)
  await page.getByRole('button', { name: /^Account/ }).click()
  await assertFits('the menu', [page.getByRole('button', { name: 'Sign out' })])

  await using stranger = await chromium.open(`${server.url}/login`, phone)
  for (const [path, action] of [
    ['/login', 'Sign in'],
    ['/setup', 'Make the administrator'],
  ] as const) {
    await stranger.page.goto(server.url + path)
    await stranger.page.getByRole('button', { name: action }).click({ trial: true })
    assert.deepEqual(await tooWide(stranger.page), [], path)
  }
})
