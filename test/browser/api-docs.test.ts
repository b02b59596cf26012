// The page of the API in a real browser: all that the server describes, on a phone too, and from no other host.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertAccessible, startBrowser, type TestBrowser } from '../support/clients/browser.ts'
import { ask } from '../support/clients/client.ts'
import { startServer, type Server } from '../support/servers/server.ts'

let server: Server
let chromium: TestBrowser
before(async () => {
  ;[server, chromium] = await Promise.all([startServer({ env: { AUTH: 'required' } }), startBrowser()])
})
after(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await server?.stop()
})

test('shows every call, with examples and errors, to who has not signed in', async () => {
  const { body } = await ask<{ paths: Record<string, Record<string, { operationId: string }>> }>(server, '/api/openapi.json')
  // Without a session the live feed of the app is refused.
  await using tab = await chromium.open('about:blank', { expected: /401|WebSocket/ })
  const { page } = tab
  const hosts = new Set<string>()
  page.on('request', (request) => hosts.add(new URL(request.url()).host))
  await page.goto(`${server.url}/api/docs`)
  await page.getByRole('heading', { level: 1, name: 'The API' }).waitFor()
  for (const { operationId } of Object.values(body.paths).flatMap((methods) => Object.values(methods))) {
    assert.equal(await page.locator(`#${operationId}`).count(), 1, operationId)
  }
  const call = page.locator('#postApiUpload')
  await call.locator('summary').click()
  await call.getByText('429 quota_exceeded').waitFor()
  await call.getByText('"Image uploaded successfully"').waitFor()
  await page.getByRole('navigation', { name: 'Parts of the API' }).getByRole('link', { name: 'Server' }).click()
  await page.waitForURL(/#calls-server$/)
  await page.getByRole('heading', { level: 2, name: 'Server' }).waitFor()
  assert.deepEqual([...hosts], [new URL(server.url).host])
  await assertAccessible(page)
})

test('fits a phone', async () => {
  await using tab = await chromium.open(`${server.url}/api/docs`, { viewport: { width: 360, height: 740 }, expected: /401|WebSocket/ })
  const { page } = tab
  await page.getByRole('heading', { level: 1, name: 'The API' }).waitFor()
  for (const id of ['postApiUpload', 'getApiImages', 'getWsUploadSlash']) await page.locator(`#${id} summary`).click()
  const { wide, view } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, view: innerWidth }))
  assert.ok(wide <= view, `${wide} px wide`)
  await assertAccessible(page)
})
