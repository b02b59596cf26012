// The upload page as people use it: dropping, picking, failing, retrying, cancelling; by mouse, by keyboard, by ear.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { assertAccessible, startBrowser, type TestBrowser } from '../../support/clients/browser.ts'
import { eventually, listImages } from '../../support/clients/client.ts'
import { smallPhotograph } from '../../support/inputs/photographs.ts'
import { startServer } from '../../support/servers/server.ts'
import { frontWithoutSockets } from '../front-without-sockets.ts'
import { photoFolder } from './photo-folder.ts'
import { assertAddsUp, assertComplete, batches, countOf, drop, finished } from './upload-page.ts'

let chromium: TestBrowser
before(async () => {
  chromium = await startBrowser()
})
after(() => chromium?.[Symbol.asyncDispose]())

test('a folder is dropped: walked to its end, 49 are developed, the bad one has its reason, and what is no image says so at once', async () => {
  await using server = await startServer()
  using folder = await photoFolder(49)
  const photograph = await smallPhotograph({ seed: 100 })
  await folder.add('day 1/deep/er/damaged.jpg', photograph.subarray(0, photograph.length / 4))
  await folder.add('notes.jpg', 'no image at all')
  await folder.add('nothing.jpg', '')
  await folder.add('.DS_Store', 'litter')
  await using tab = await chromium.open(server.url)
  const { page } = tab
  await page.getByTestId('welcome').waitFor()
  await drop(page, folder.path)
  await finished(page)
  assert.equal(await countOf(page, 'All'), 52)
  assert.equal(await countOf(page, 'Developed'), 49)
  assert.equal(await countOf(page, 'Failed'), 3)
  await page.getByRole('button', { name: /^Failed/ }).click()
  const row = (name: string) => page.getByRole('listitem').filter({ hasText: name })
  assert.match(await row('damaged.jpg').innerText(), /damaged and could not be decoded/)
  assert.match(await row('notes.jpg').innerText(), /Not an image/)
  assert.match(await row('nothing.jpg').innerText(), /empty/)
  // It fails again, after another try.
  await row('damaged.jpg').getByRole('button', { name: 'Retry damaged.jpg' }).click()
  await row('damaged.jpg').and(page.locator('[data-state=failed]')).waitFor()
  await assertAccessible(page)
  const images = await listImages(server)
  assert.equal(images.length, 50)
  for (const batch of await batches(server)) assertAddsUp(batch)
  // Thumbnails came in.
  await page.getByRole('button', { name: /^Developed/ }).click()
  await page.waitForFunction(
    () => [...document.querySelectorAll('li img')].filter((image) => (image as HTMLImageElement).naturalWidth > 0).length >= 5,
  )
})

test('the same photograph twice, and too large a file, are told before anything is sent; dropping all of it again changes nothing', async () => {
  await using server = await startServer({ env: { MAX_FILE_BYTES: '200000' } })
  using folder = await photoFolder(5)
  await folder.add('again.jpg', await smallPhotograph({ seed: 3 }))
  await folder.add('large.jpg', await smallPhotograph({ seed: 7, bytes: 250_000 }))
  await using tab = await chromium.open(server.url)
  const { page } = tab
  await drop(page, folder.path)
  await finished(page)
  const row = (state: string) => page.locator(`[data-state=${state}]`)
  assert.match(await row('skipped').innerText(), /The same photograph as/)
  assert.match(await row('refused').innerText(), /250 kB; this server takes up to 200 kB/)
  await drop(page, folder.path)
  await page.getByText('6 files were in the list already').waitFor()
  assert.equal((await listImages(server)).length, 5)
  // Known to the server: from another tab, nothing is sent.
  await using other = await chromium.open(server.url)
  let sent = 0
  other.page.on('request', (request) => (sent += request.url().includes('/api/async/') ? 1 : 0))
  await drop(other.page, join(folder.path, 'day 1'))
  await finished(other.page)
  assert.equal(await countOf(other.page, 'Developed'), 5)
  assert.equal(sent, 0)
  assert.equal((await listImages(server)).length, 10)
})

test('by keyboard alone, and by ear: start, quarters, failures, end', async () => {
  await using server = await startServer()
  using folder = await photoFolder(120)
  await folder.add('day 1/notes.jpg', 'no image')
  await using tab = await chromium.open(server.url)
  const { page } = tab
  await page.evaluate(() => {
    const heard: string[] = []
    Object.assign(window, { heard })
    const region = document.querySelector('[role=status][aria-live=polite]')!
    new MutationObserver(() => heard.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true })
  })
  const reach = async (name: string | RegExp) => {
    const target = page.getByRole('button', { name }).or(page.getByRole('link', { name })).first()
    await target.waitFor()
    for (let presses = 0; presses < 60; presses++) {
      if (await target.evaluate((element) => element === document.activeElement)) return
      await page.keyboard.press('Tab')
    }
    assert.fail(`${name} was not reached by Tab`)
  }
  // Heard from the beginning: a chooser that opens while the browser is being told to hand it over is lost.
  page.on('filechooser', () => {})
  await reach('Choose photographs')
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Enter')])
  await chooser.setFiles(folder.names.map((name) => join(folder.path, name)))
  await finished(page)
  await reach(/^Failed/)
  await page.keyboard.press('Enter')
  await page.getByText('Not an image').waitFor()
  await reach('See them in the gallery')
  const heard = await eventually('the end is said', async () => {
    const sentences = await page.evaluate(() => (window as unknown as { heard: string[] }).heard)
    return sentences.at(-1)?.startsWith('Finished') === true && sentences
  })
  console.log(`Heard: ${heard.join(' | ')}`)
  assert.match(heard[0]!, /^Uploading 12[01] files/)
  assert.ok(heard.some((sentence) => /^(25|50|75) percent/.test(sentence)))
  assert.ok(heard.includes('1 file failed so far.'))
  assert.match(heard.at(-1)!, /^Finished: 120 photographs developed, 1 file failed/)
  assert.ok(heard.length <= 8, 'It talks too much')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/gallery')
})

test('one is cancelled, then all: the ledger says aborted, and nothing of it goes on', async () => {
  await using server = await startServer({ env: { WORKER_CONCURRENCY: '1' } })
  using folder = await photoFolder(200)
  await using tab = await chromium.open(server.url)
  const { page } = tab
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Network.enable')
  await devtools.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 20,
    downloadThroughput: -1,
    uploadThroughput: 1_000_000,
  })
  await drop(page, folder.path)
  await page.getByRole('button', { name: 'Cancel IMG_00003.jpg' }).click()
  await page.getByRole('button', { name: /^Cancelled/ }).waitFor()
  await eventually('some are developed', async () => (await countOf(page, 'Developed')) > 0)
  assert.equal(
    await page.evaluate(() => window.dispatchEvent(new Event('beforeunload', { cancelable: true }))),
    false,
    'It warns before leaving',
  )
  await page.getByRole('button', { name: 'Cancel all' }).click()
  await finished(page)
  const developed = await countOf(page, 'Developed')
  assert.equal(developed + (await countOf(page, 'Cancelled')), 200)
  await eventually('the ledger is settled', async () =>
    (await batches(server)).every((batch) => batch.needed + batch.pending + batch.processing === 0),
  )
  for (const batch of await batches(server)) assertAddsUp(batch)
  assert.equal(await page.evaluate(() => window.dispatchEvent(new Event('beforeunload', { cancelable: true }))), true)
})

test('where WebSockets are blocked the server is asked instead, and the page says so', async () => {
  await using server = await startServer()
  using folder = await photoFolder(10)
  await using front = await frontWithoutSockets(server)
  await using tab = await chromium.open(front.url, { expected: /WebSocket/ })
  const { page } = tab
  await page.locator('[data-testid=connection][data-state=polling]', { hasText: 'Polling' }).waitFor()
  await drop(page, folder.path)
  await finished(page)
  await assertComplete(server, folder.names)
})

test('axe finds nothing, empty and under way, in light and dark', async () => {
  await using server = await startServer()
  using folder = await photoFolder(60)
  await using tab = await chromium.open(server.url)
  await assertAccessible(tab.page)
  await drop(tab.page, folder.path)
  await tab.page.getByTestId('summary').waitFor()
  await assertAccessible(tab.page)
  await finished(tab.page)
})
