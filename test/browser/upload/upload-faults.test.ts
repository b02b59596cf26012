// An upload that is disturbed: the tab dies, the network is cut, the server is killed. Nothing is missing, nothing is there twice.
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { freePorts } from '../../../scripts/cluster/place.ts'
import { startBrowser, type TestBrowser } from '../../support/clients/browser.ts'
import { eventually, listImages } from '../../support/clients/client.ts'
import { startServer } from '../../support/servers/server.ts'
import { photoFolder } from './photo-folder.ts'
import { assertComplete, drop, finished } from './upload-page.ts'

const OFFLINE_MS = 10_000
const AWAY_MS = 5_000

let chromium: TestBrowser
before(async () => {
  chromium = await startBrowser()
})
after(() => chromium?.[Symbol.asyncDispose]())

/** So that there is a middle. */
async function slow(page: Page, bytesPerSecond: number): Promise<void> {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Network.enable')
  await devtools.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 10,
    downloadThroughput: -1,
    uploadThroughput: bytesPerSecond,
  })
}

const someArrived = (server: { url: string }, least: number) =>
  eventually('some have arrived', async () => (await listImages(server)).length >= least, 30_000)

test('the tab dies in the middle: the folder is dropped again, and it goes on with what is missing', async () => {
  await using server = await startServer()
  using folder = await photoFolder(300, { bytes: 100_000 })
  await using context = await chromium.browser.newContext()
  const page = await context.newPage()
  await page.goto(server.url)
  await slow(page, 6_000_000)
  await drop(page, folder.path)
  await someArrived(server, 60)
  // The renderer is killed; no handler of the page runs.
  await page.goto('chrome://crash').catch(() => {})
  await page.close()
  const arrived = (await listImages(server)).length
  assert.ok(arrived < 300, `${arrived} had arrived already`)

  await using again = await chromium.open(server.url, { context })
  await again.page.getByText('This upload was interrupted').or(again.page.getByText('was cut off')).first().waitFor()
  await drop(again.page, folder.path)
  await finished(again.page)
  await assertComplete(server, folder.names)
  // Once more: nothing is left of it.
  await again.page.reload()
  await again.page.getByTestId('welcome').waitFor()
})

test(`the network is cut for ${OFFLINE_MS / 1000} s: it says so, waits, and goes on by itself`, async () => {
  await using server = await startServer()
  using folder = await photoFolder(200, { bytes: 100_000 })
  await using tab = await chromium.open(server.url, { expected: /ERR_INTERNET_DISCONNECTED|ERR_NETWORK|WebSocket/ })
  const { page } = tab
  await slow(page, 5_000_000)
  await drop(page, folder.path)
  await someArrived(server, 30)
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Network.enable')
  const cut = (offline: boolean) =>
    devtools.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 })
  await cut(true)
  await page.getByText('This device is offline').waitFor()
  const before = (await listImages(server)).length
  await wait(OFFLINE_MS)
  assert.ok((await listImages(server)).length - before <= 300)
  await cut(false)
  await finished(page)
  await assertComplete(server, folder.names)
})

test(`the server is killed and away for ${AWAY_MS / 1000} s: it says so, tries again, and goes on`, async () => {
  const env = { PORT: String(await freePorts(1)) }
  const server = await startServer({ env })
  const { url, dataDir } = server
  using folder = await photoFolder(200, { bytes: 100_000 })
  await using tab = await chromium.open(url, { expected: /ERR_CONNECTION|ERR_EMPTY_RESPONSE|WebSocket|Failed to load resource/ })
  const { page } = tab
  await slow(page, 5_000_000)
  await drop(page, folder.path)
  await someArrived(server, 30)
  await server.kill('SIGKILL')
  await page.getByText('Nothing is lost').waitFor()
  await wait(AWAY_MS)
  const again = await startServer({ dataDir, env })
  try {
    await finished(page)
    await assertComplete(again, folder.names)
  } finally {
    await again.stop()
    await server.stop()
  }
})
