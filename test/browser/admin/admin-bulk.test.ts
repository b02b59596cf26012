// Bulk actions in a browser: a thousand failures tried again to the end, one that is cancelled, all of a filter deleted.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { ApiOverview } from '../../../src/api/admin.ts'
import type { ApiJob } from '../../../src/api/jobs.ts'
import { send, setUp, type SignedIn } from '../../support/clients/accounts.ts'
import { assertAccessible, startBrowser, type TestBrowser } from '../../support/clients/browser.ts'
import { failingFiles } from '../../support/inputs/failing-files.ts'
import { startServer, type Server } from '../../support/servers/server.ts'
import { allDeveloped, askAs, openAs, uploadAs } from '../signed-in.ts'

const FAILURES = 1_000
const WAIT_MS = 120_000

let server: Server
let chromium: TestBrowser
let root: SignedIn
before(async () => {
  const env = { AUTH: 'required', LOG_LEVEL: 'warn', MAX_FILES: '2000' }
  ;[server, chromium] = await Promise.all([startServer({ env }), startBrowser()])
  root = await setUp(server)
  await uploadAs(server, root, failingFiles(FAILURES))
  await allDeveloped(server, root, WAIT_MS)
})
after(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await server?.stop()
})

const overview = () => askAs<ApiOverview>(server, root, '/api/admin/overview')

test('a thousand failures are tried again through the dialog, to the end of their job', async () => {
  await send(server, 'POST', '/api/admin/queue/pause', { minutes: 10 }, root.headers)
  await using tab = await openAs(chromium, server, root, '/admin/failures')
  const { page } = tab
  await page.getByTestId('failure-invalid_image').getByText('1,000 images').waitFor()
  await page.getByRole('button', { name: 'Retry all of these: invalid_image' }).click()
  const dialog = page.getByRole('dialog', { name: 'Retry 1,000 images?' })
  await dialog.getByText('The images that failed with invalid_image.').waitFor()
  await dialog.getByRole('button', { name: 'Retry 1,000 images' }).click()
  const jobs = page.getByTestId('jobs')
  await jobs.getByText('1,000 images tried again').waitFor({ timeout: WAIT_MS })
  await page.getByText('Nothing has failed.').waitFor()
  await page.getByTestId('announcements').filter({ hasText: '1,000 images tried again' }).waitFor()
  assert.equal((await overview()).images.pending, FAILURES)
  await assertAccessible(page)
  // It is there on every page, until it was looked at.
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByTestId('figure-In hand').filter({ hasText: '1,000' }).waitFor()
  await page.getByRole('region', { name: 'Background jobs' }).first().waitFor()
  await jobs.getByRole('button', { name: /^Close/ }).click()
  await jobs.waitFor({ state: 'detached' })
  await send(server, 'POST', '/api/admin/queue/resume', undefined, root.headers)
  await allDeveloped(server, root, WAIT_MS)
  await page.getByTestId('figure-Failed').filter({ hasText: '1,000' }).waitFor()
})

test('all of a filter are deleted, though few of them were read', async () => {
  await using tab = await openAs(chromium, server, root, '/admin/images?q=bad-1')
  const { page } = tab
  await page.getByRole('row').nth(1).waitFor()
  await page.getByRole('button', { name: 'Choose all in this filter' }).click()
  await page.getByTestId('picked').getByText('All in this filter are chosen').waitFor()
  await page.getByTestId('picked').getByRole('button', { name: 'Delete' }).click()
  // bad-1, bad-10 to bad-19, bad-100 to bad-199.
  await page.getByRole('dialog', { name: 'Delete 111 images?' }).getByRole('button', { name: 'Delete 111 images' }).click()
  await page.getByTestId('jobs').getByText('111 images deleted').waitFor({ timeout: WAIT_MS })
  await page.getByText('No image is like that.').waitFor()
  assert.equal((await overview()).images.error, FAILURES - 111)
})

test('more images than were counted are asked about again', async () => {
  await using tab = await openAs(chromium, server, root, '/admin/images?q=grown', { expected: /status of 409/ })
  const { page } = tab
  await uploadAs(server, root, failingFiles(2, 'grown'))
  await allDeveloped(server, root)
  await page.reload()
  await page.getByRole('checkbox', { name: 'Choose grown-1.jpg' }).waitFor()
  await page.getByRole('button', { name: 'Choose all in this filter' }).click()
  await page.getByTestId('picked').getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog', { name: 'Delete 2 images?' }).waitFor()
  await uploadAs(server, root, failingFiles(5, 'grown more'))
  await page.getByRole('dialog').getByRole('button', { name: 'Delete 2 images' }).click()
  await page.getByRole('dialog', { name: 'Delete 7 images?' }).getByRole('alert').waitFor()
  assert.deepEqual(
    (await askAs<ApiJob[]>(server, root, '/api/admin/jobs?limit=5')).filter(({ total }) => total === 2),
    [],
  )
  await page.keyboard.press('Escape')
})
