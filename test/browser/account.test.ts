// Accounts on the page: the first administrator, signing in and out, a session that ends under way, one's own keys and sessions.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import type { ApiSession } from '../../src/api/accounts.ts'
import type { ApiBatch } from '../../src/api/batches.ts'
import { letIn, makeKey, PASSWORD, send, setupTokenOf, signIn, type SignedIn } from '../support/clients/accounts.ts'
import { assertAccessible, startBrowser, type TestBrowser, type TestPage } from '../support/clients/browser.ts'
import { ask, eventually } from '../support/clients/client.ts'
import { startServer, type Server } from '../support/servers/server.ts'
import { photoFolder } from './upload/photo-folder.ts'
import { askAs, fillIn, openAs } from './signed-in.ts'
import { drop, finished } from './upload/upload-page.ts'

/** What the browser itself says of an answer that is no success. */
const REFUSED = /status of (401|403|429)/
const ENDED = /status of 401|WebSocket/

let server: Server
let chromium: TestBrowser
let root: SignedIn
before(async () => {
  ;[server, chromium] = await Promise.all([startServer({ env: { AUTH: 'required', LOG_LEVEL: 'warn' } }), startBrowser()])
  // The first administrator is made by the page, as a person does it.
  const token = setupTokenOf(server.output())
  await using tab = await chromium.open(`${server.url}/setup#${token}`)
  const { page } = tab
  await page.getByLabel('Your name').fill('Root')
  await page.getByLabel('E-mail').fill('root@example.org')
  await page.getByLabel('Password').fill(PASSWORD)
  assert.equal(new URL(page.url()).hash, '', 'the token is neither in the address nor in the history')
  await page.getByRole('button', { name: 'Make the administrator' }).click()
  await page.waitForURL('**/admin')
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  root = await signIn(server, 'root@example.org')
})
after(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await server?.stop()
})

test('a set-up link that was used says so', async () => {
  await using tab = await chromium.open(`${server.url}/setup#nothing-of-ours`, { expected: REFUSED })
  const { page } = tab
  await page.getByLabel('Your name').fill('Mallory')
  await page.getByLabel('E-mail').fill('mallory@example.org')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Make the administrator' }).click()
  await page.getByRole('alert').filter({ hasText: 'set-up link' }).waitFor()
})

test('who is not signed in is asked to, told what is wrong, and brought to where they wanted to go', async () => {
  await using tab = await chromium.open(`${server.url}/gallery?status=error`, { expected: REFUSED })
  const { page } = tab
  await page.waitForURL('**/login?next=*')
  await assertAccessible(page)
  assert.equal(await page.getByRole('navigation', { name: 'Pages' }).count(), 0)
  await fillIn(page, 'root@example.org', 'not the password at all')
  await page.getByRole('alert').filter({ hasText: 'The e-mail address or the password is wrong.' }).waitFor()
  await fillIn(page, 'nobody@example.org')
  await page.getByRole('alert').filter({ hasText: 'The e-mail address or the password is wrong.' }).waitFor()
  await fillIn(page, 'root@example.org')
  await page.waitForURL('**/gallery?status=error')
  await page.getByRole('heading', { name: 'Gallery' }).waitFor()
  await page.locator('[data-testid=connection][data-state=live]').waitFor()
})

test('the login leads to addresses of ours only', async () => {
  for (const next of ['https://evil.example/', '//evil.example/gallery', '/\\evil.example', 'javascript:alert(1)', '/api/auth/me']) {
    await using tab = await openAs(chromium, server, root, `/login?next=${encodeURIComponent(next)}`)
    await tab.page.waitForURL(`${server.url}/`)
  }
})

test('who guesses too often is told when to try again', async () => {
  await letIn(server, root, 'guessed@example.org')
  await using tab = await chromium.open(`${server.url}/login`, { expected: REFUSED })
  const { page } = tab
  for (let guess = 0; guess < 5; guess++) {
    await fillIn(page, 'guessed@example.org', `guess number ${guess}`)
    await page.getByRole('alert').waitFor()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
  }
  await fillIn(page, 'guessed@example.org')
  await page
    .getByRole('alert')
    .filter({ hasText: /Try again in \d+ (seconds|minutes), or .* You can try again at \d/ })
    .waitFor()
})

/** Nothing of an upload comes through before it is released. */
async function holdUploads(page: Page): Promise<Disposable & { release(): void }> {
  const { promise, resolve } = Promise.withResolvers<void>()
  await page.route('**/api/async/batch/upload*', async (route) => {
    await promise
    // Its tab may be gone.
    await route.continue().catch(() => {})
  })
  return { release: resolve, [Symbol.dispose]: resolve }
}

/** What the browser asks before a page is left, or anything else of its own: the test fails for it. */
const refuseDialogs = ({ page, complaints }: TestPage) =>
  page.on('dialog', (dialog) => {
    complaints.push(`It asked: ${dialog.type()}`)
    void dialog.accept()
  })

const imagesOf = async (who: SignedIn) => (await askAs<{ images: number }>(server, who, '/api/images/count')).images

test('a session that ends brings the page to the login, and an upload in hand waits for its person', async () => {
  const email = 'sender@example.org'
  await letIn(server, root, email)
  using folder = await photoFolder(6)
  await using tab = await chromium.open(`${server.url}/`, { expected: ENDED })
  const { page } = tab
  await fillIn(page, email)
  await page.getByTestId('welcome').waitFor()
  using held = await holdUploads(page)
  await drop(page, folder.path)
  await page.getByRole('heading', { name: /^Uploading 6/ }).waitFor()
  // Elsewhere their session is ended.
  const other = await signIn(server, email)
  const sessions = await askAs<ApiSession[]>(server, other, '/api/auth/sessions')
  for (const { id, current } of sessions) {
    if (!current) await fetch(`${server.url}/api/auth/sessions/${id}`, { method: 'DELETE', headers: other.headers })
  }
  await page.waitForURL('**/login')
  held.release()
  await page.getByText('The upload waits, and goes on when you are back.').waitFor()
  await fillIn(page, email)
  await page.waitForURL(`${server.url}/`)
  await finished(page)
  assert.equal(await imagesOf(other), 6)
})

test('someone else who signs in in another tab gets nothing of an upload in hand, which goes on when its person is back', async () => {
  const first = await letIn(server, root, 'ann@example.org')
  await letIn(server, root, 'ben@example.org')
  using folder = await photoFolder(6)
  using others = await photoFolder(2, { seed: 300 })
  await using one = await openAs(chromium, server, first, '/', { expected: ENDED })
  await using two = await chromium.open(`${server.url}/gallery`, { context: one.page.context(), expected: ENDED })
  for (const tab of [one, two]) refuseDialogs(tab)
  using held = await holdUploads(one.page)
  await drop(one.page, folder.path)
  await one.page.getByRole('heading', { name: /^Uploading 6/ }).waitFor()
  await two.page.getByRole('button', { name: 'Account: ann@example.org' }).click()
  await two.page.getByRole('button', { name: 'Sign out' }).click()
  await two.page.waitForURL('**/login')
  await fillIn(two.page, 'ben@example.org')
  await one.page.getByText('ben@example.org has signed in in this browser').waitFor()
  await one.page.getByText('Their upload waits').waitFor()
  await assertAccessible(one.page)
  // The cookie is Ben's by now.
  held.release()
  await two.page.getByRole('button', { name: 'Account: ben@example.org' }).waitFor()
  await two.page.goto(`${server.url}/`)
  await drop(two.page, others.path)
  await finished(two.page)
  const ben = await signIn(server, 'ben@example.org')
  assert.equal(await imagesOf(ben), 2)
  assert.equal((await askAs<ApiBatch[]>(server, ben, '/api/batches')).length, 1)

  await fillIn(one.page, 'ann@example.org')
  await finished(one.page)
  assert.deepEqual([await imagesOf(await signIn(server, 'ann@example.org')), await imagesOf(ben)], [6, 2])
  await two.page.getByRole('button', { name: 'Go on as ann@example.org' }).click()
  await two.page.getByRole('button', { name: 'Account: ann@example.org' }).waitFor()
  // Who signs out and in again elsewhere is back here, too.
  await two.page.getByRole('button', { name: 'Account: ann@example.org' }).click()
  await two.page.getByRole('button', { name: 'Sign out' }).click()
  await one.page.getByText('Sign in to go on where you were.').waitFor()
  await fillIn(two.page, 'ann@example.org')
  await one.page.getByRole('button', { name: 'Account: ann@example.org' }).waitFor()
})

test('who signs out during an upload is asked first, and not again', async () => {
  const who = await letIn(server, root, 'hasty@example.org')
  using folder = await photoFolder(2)
  await using tab = await openAs(chromium, server, who, '/', { expected: ENDED })
  refuseDialogs(tab)
  const { page } = tab
  using held = await holdUploads(page)
  await drop(page, folder.path)
  await page.getByRole('heading', { name: /^Uploading 2/ }).waitFor()
  const begin = async () => {
    await page.getByRole('button', { name: 'Account: hasty@example.org' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
  }
  await begin()
  const dialog = page.getByRole('dialog', { name: 'Sign out now?' })
  await assertAccessible(page)
  await dialog.getByRole('button', { name: 'Stay' }).click()
  await page.getByRole('heading', { name: /^Uploading 2/ }).waitFor()
  await begin()
  // The page goes, and nothing asks whether it may.
  await Promise.all([page.waitForEvent('load'), dialog.getByRole('button', { name: 'Sign out' }).click()])
  await page.waitForURL('**/login')
  held.release()
  assert.equal((await ask(server, '/api/images', { headers: who.headers })).status, 401)
})

test('signing out ends the session and its sockets, in every tab', async () => {
  await letIn(server, root, 'leaver@example.org')
  const who = await signIn(server, 'leaver@example.org')
  await using one = await openAs(chromium, server, who, '/gallery', { expected: ENDED })
  await using two = await chromium.open(`${server.url}/gallery`, { context: one.page.context(), expected: ENDED })
  for (const { page } of [one, two]) await page.locator('[data-testid=connection][data-state=live]').waitFor()
  await one.page.getByRole('button', { name: 'Account: leaver@example.org' }).click()
  await one.page.getByText('Member').waitFor()
  await one.page.getByRole('button', { name: 'Sign out' }).click()
  await one.page.waitForURL('**/login')
  // Its socket was closed by the server, without a click here.
  await two.page.waitForURL('**/login?next=%2Fgallery')
  assert.equal((await ask(server, '/api/images', { headers: who.headers })).status, 401)
})

test('someone else who signs in in the same tab finds nothing of the one before, whose upload has ended', async () => {
  await letIn(server, root, 'first@example.org')
  const second = await letIn(server, root, 'second@example.org')
  const first = await signIn(server, 'first@example.org')
  using folder = await photoFolder(2)
  await using tab = await openAs(chromium, server, first, '/', { expected: ENDED })
  refuseDialogs(tab)
  const { page } = tab
  using held = await holdUploads(page)
  await drop(page, folder.path)
  await page.getByRole('heading', { name: /^Uploading 2/ }).waitFor()
  await fetch(`${server.url}/api/auth/logout`, { method: 'POST', headers: first.headers })
  await page.waitForURL('**/login')
  await page.getByText('Somebody else who signs in here ends it.').waitFor()
  await fillIn(page, 'second@example.org')
  await page.getByTestId('welcome').waitFor()
  await page.getByRole('button', { name: 'Account: second@example.org' }).waitFor()
  held.release()
  assert.equal(await imagesOf(second), 0)
})

test('members see no administration', async () => {
  const member = await letIn(server, root, 'member@example.org')
  const asked: string[] = []
  await using tab = await openAs(chromium, server, member, '/gallery')
  const { page } = tab
  page.on('request', (request) => asked.push(new URL(request.url()).pathname))
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  assert.equal(await page.getByRole('link', { name: 'Admin' }).count(), 0)
  for (const path of [
    '',
    '/images',
    '/images/019ab1c2-0000-7000-8000-000000000000',
    '/batches',
    '/failures',
    '/workers',
    '/users',
    '/keys',
    '/audit',
    '/settings',
  ]) {
    await page.goto(`${server.url}/admin${path}`)
    await page.getByRole('heading', { name: 'This is for administrators' }).waitFor()
    assert.equal(await page.getByRole('navigation', { name: 'Administration' }).count(), 0)
  }
  assert.deepEqual(
    asked.filter((path) => path.startsWith('/api/admin')),
    [],
  )
  await assertAccessible(page)

  // The page follows their role while it is open.
  await page.goto(`${server.url}/gallery`)
  const admin = page.getByRole('link', { name: 'Admin' })
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  const setRole = (role: string) => send(server, 'PATCH', `/api/admin/users/${member.id}`, { role }, root.headers)
  await setRole('admin')
  await admin.waitFor()
  await setRole('member')
  await admin.waitFor({ state: 'detached' })
})

test('one makes keys, sees each once and revokes them; ends sessions; and changes the password', async () => {
  const email = 'keeper@example.org'
  const keeper = await letIn(server, root, email)
  await using tab = await openAs(chromium, server, keeper, '/gallery', { expected: REFUSED })
  const { page } = tab
  await page.getByRole('button', { name: `Account: ${email}` }).click()
  await page.getByRole('link', { name: 'My keys' }).click()
  await page.waitForURL('**/account#keys')
  await page.getByRole('button', { name: 'New key' }).click()
  const dialog = page.getByRole('dialog', { name: 'New key' })
  await dialog.getByLabel('Name').fill('The scanner <b>in the hall</b>')
  assert.equal(await dialog.getByLabel('Administer the server').count(), 0, 'a member has nothing of that to give')
  await dialog.getByLabel('Delete photographs').check()
  await dialog.getByLabel('It expires').selectOption('In 30 days')
  await assertAccessible(page)
  await dialog.getByRole('button', { name: 'Make the key' }).click()
  const key = await page.getByTestId('secret').innerText()
  const headers = { authorization: `Bearer ${key}` }
  assert.equal((await ask(server, '/api/images', { headers })).status, 200)
  assert.equal(
    await page.getByRole('button', { name: 'New key' }).evaluate((button) => button === document.activeElement),
    true,
    'the focus is back',
  )
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy' }).click()
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key)
  await page.reload()
  const keys = page.getByRole('region', { name: 'My keys' })
  await keys.getByText('upload, read, delete').waitFor()
  assert.equal(await page.getByTestId('secret').count(), 0, 'it is shown once')
  await assertAccessible(page)
  await keys.getByRole('button', { name: /^Revoke/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke the key' }).click()
  await keys.getByText(/^Revoked/).waitFor()
  assert.equal((await ask(server, '/api/images', { headers })).status, 401)

  const other = await signIn(server, email)
  await page.reload()
  const sessions = page.getByRole('region', { name: 'My sessions' })
  await sessions.getByText('This one').waitFor()
  await sessions
    .getByRole('button', { name: /^End the session/ })
    .first()
    .click()
  await eventually('it is ended', async () => (await ask(server, '/api/images', { headers: other.headers })).status === 401)

  const form = page.getByRole('region', { name: 'Change password' })
  await form.getByLabel('Current password').fill('not the password')
  await form.getByLabel('New password').fill('another long password')
  await form.getByRole('button', { name: 'Change password' }).click()
  await form.getByRole('alert').filter({ hasText: 'The current password is wrong.' }).waitFor()
  await form.getByLabel('Current password').fill(PASSWORD)
  await form.getByRole('button', { name: 'Change password' }).click()
  await form.getByText('Your password is changed.').waitFor()
  const again = await signIn(server, email, 'another long password')

  const left = await makeKey(server, again, ['read'])
  const changeTo = async (current: string, password: string) => {
    await form.getByLabel('Current password').fill(current)
    await form.getByLabel('New password').fill(password)
    await form.getByRole('button', { name: 'Change password' }).click()
  }
  await changeTo('another long password', 'one more long password')
  await form.getByText('Your API key still works.').waitFor()
  assert.equal((await ask(server, '/api/images', { headers: left.headers })).status, 200)
  await form.getByLabel('Also revoke all my API keys').check()
  await assertAccessible(page)
  await changeTo('one more long password', 'the last long password')
  await form.getByText('Your API key is revoked.').waitFor()
  assert.equal((await ask(server, '/api/images', { headers: left.headers })).status, 401)
  await eventually('the list shows it', async () => (await keys.getByText(/^Revoked/).count()) === 2)
})

test('an open server shows nothing of accounts', async () => {
  await using open = await startServer()
  await using tab = await chromium.open(`${open.url}/account`)
  const { page } = tab
  await page.getByText('There are no accounts here').waitFor()
  assert.equal(await page.getByRole('button', { name: /^Account/ }).count(), 0)
  await page.goto(`${open.url}/login`)
  await page.waitForURL(`${open.url}/`)
  await page.goto(`${open.url}/admin`)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  assert.equal(await page.getByRole('link', { name: 'Users' }).count(), 0)
})
