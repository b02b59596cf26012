// The frame of the page: served with a strict policy, small, live, in both themes, and kind to a server that is away.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { freePorts } from '../../scripts/cluster/place.ts'
import { assertAccessible, startBrowser, type TestBrowser } from '../support/clients/browser.ts'
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

test('the page and its files say how they are to be kept, and the policy allows nothing from elsewhere', async () => {
  for (const path of ['/', '/gallery', '/gallery/019ab1c2-0000-7000-8000-000000000000', '/batches/019ab1c2-0000-7000-8000-000000000000']) {
    const response = await fetch(server.url + path)
    assert.equal(response.status, 200, path)
    assert.equal(response.headers.get('cache-control'), 'no-cache')
    const policy = response.headers.get('content-security-policy')!
    assert.match(policy, /default-src 'self'/)
    assert.doesNotMatch(policy, /unsafe/)
  }
  const html = await (await fetch(server.url)).text()
  const scripts = [...html.matchAll(/src="(\/assets\/[^"]+)"/g)].map(([, path]) => path!)
  assert.ok(scripts.length > 0)
  for (const path of scripts) {
    const response = await fetch(server.url + path)
    assert.match(response.headers.get('cache-control')!, /immutable/)
    await response.arrayBuffer()
  }
})

test('the first page needs less than 120 KB of JavaScript, gzipped', async () => {
  await using tab = await chromium.open('about:blank')
  let bytes = 0
  const network = await tab.page.context().newCDPSession(tab.page)
  await network.send('Network.enable')
  await network.send('Network.setExtraHTTPHeaders', { headers: { 'accept-encoding': 'gzip' } })
  const scripts = new Set<string>()
  network.on('Network.responseReceived', ({ requestId, type }) => type === 'Script' && scripts.add(requestId))
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) bytes += encodedDataLength
  })
  await tab.page.goto(server.url, { waitUntil: 'networkidle' })
  console.log(`JavaScript of the first page: ${(bytes / 1000).toFixed(1)} KB`)
  assert.ok(bytes > 10_000 && bytes < 120_000, `${bytes} bytes`)
})

test('the theme is the one of the system until another is chosen, which stays', async () => {
  await using tab = await chromium.open(server.url, { colorScheme: 'dark' })
  const { page } = tab
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
  const dark = await ground()
  await page.getByRole('button', { name: 'Use the light theme' }).click()
  const light = await ground()
  assert.notEqual(light, dark)
  await page.reload()
  assert.equal(await ground(), light)
  await page.getByRole('button', { name: 'Use the dark theme' }).click()
  assert.equal(await ground(), dark)
})

test('links go to their pages without loading anew, and back again', async () => {
  await using tab = await chromium.open(server.url)
  const { page } = tab
  await page.evaluate(() => void Object.assign(window, { stayed: true }))
  await page.getByRole('link', { name: 'Gallery' }).click()
  await page.waitForURL('**/gallery')
  assert.match(await page.title(), /^Gallery/)
  await page.goBack()
  await page.locator('nav [aria-current=page]', { hasText: 'Upload' }).waitFor()
  assert.equal(await page.evaluate(() => 'stayed' in window), true)
})

test('the connection is shown as it is: live, away, and live again', async () => {
  const env = { PORT: String(await freePorts(1)) }
  const own = await startServer({ env })
  await using tab = await chromium.open(own.url, { expected: /ERR_CONNECTION_REFUSED|WebSocket/ })
  const state = (name: string) => tab.page.locator(`[data-testid=connection][data-state=${name}]`).waitFor()
  await state('live')
  await own.kill('SIGKILL')
  await state('waiting')
  const again = await startServer({ dataDir: own.dataDir, env })
  try {
    await state('live')
    await tab.page.context().setOffline(true)
    await state('offline')
    await tab.page.context().setOffline(false)
    await state('live')
  } finally {
    await again.stop()
    await own.stop()
  }
})

test('axe finds nothing on the frame, in light and dark', async () => {
  await using tab = await chromium.open(server.url)
  await assertAccessible(tab.page)
})
