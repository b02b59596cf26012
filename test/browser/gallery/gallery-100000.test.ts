// The gallery with a hundred thousand images: scrolled to its end and its middle, with few nodes, on a screen of two pixels a pixel.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { startBrowser, type TestBrowser } from '../../support/clients/browser.ts'
import { eventually } from '../../support/clients/client.ts'
import { folderOfImages, idOf } from '../../support/servers/many-images.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

const IMAGES = 100_000
/** What a browser draws, 16.7 million pixels, on a screen with two to a CSS pixel. */
const MOST_PX = 8_300_000
const MOST_NODES = 2_500
let server: Server
let chromium: TestBrowser
let dataDir: string

before(async () => {
  dataDir = await folderOfImages(IMAGES)
  ;[server, chromium] = await Promise.all([startServer({ dataDir }), startBrowser()])
})
after(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await server?.stop()
  await rm(dataDir, { recursive: true, force: true })
})

const cell = (page: Page, place: number) => page.locator(`[data-place="${place}"] a[aria-label="${place}.jpg"]`)
const nodes = (page: Page) => page.evaluate(() => document.querySelectorAll('*').length)
const placesInSight = (page: Page) =>
  page.evaluate(() => [...document.querySelectorAll('[data-place]')].map((element) => Number(element.getAttribute('data-place'))))

for (const { name, ...screen } of [
  { name: 'a phone', viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  { name: 'a large tablet', viewport: { width: 880, height: 1200 }, deviceScaleFactor: 2 },
]) {
  test(`the whole list can be reached on ${name}`, async (t) => {
    await using tab = await chromium.open(`${server.url}/gallery`, screen)
    const { page } = tab
    await page.getByTestId('count').getByText('100,000 images').waitFor()
    const height = (await page.locator('.canvas').boundingBox())!.height
    t.diagnostic(`${height.toFixed(0)} px tall, ${await nodes(page)} nodes at the top`)
    assert.ok(height <= MOST_PX, `${height} px`)

    // By the bar, to the very end: read from there, not through all that lies before.
    const startedAt = performance.now()
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
    await cell(page, IMAGES - 1).waitFor()
    await cell(page, IMAGES - 1)
      .locator('img.there')
      .waitFor()
    t.diagnostic(`the last image is there after ${(performance.now() - startedAt).toFixed(0)} ms, ${await nodes(page)} nodes`)
    assert.ok((await nodes(page)) < MOST_NODES)

    // A wheel moves the pictures by what it turned, however tall the list is.
    const topOf = (place: number) => page.locator(`[data-place="${place}"]`).evaluate((element) => element.getBoundingClientRect().top)
    const before = await topOf(IMAGES - 1)
    await page.evaluate(() => scrollBy(0, -300))
    await eventually('moved by as much', async () => Math.abs((await topOf(IMAGES - 1)) - before - 300) < 2)

    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight / 2))
    const middle = await eventually('the middle is in sight', async () => {
      const places = await placesInSight(page)
      const place = places[places.length >> 1]!
      return Math.abs(place - IMAGES / 2) < IMAGES / 50 && place
    })
    await cell(page, middle).waitFor({ timeout: 60_000 })
    assert.ok((await nodes(page)) < MOST_NODES)
    await page.evaluate(() => scrollTo(0, 0))
    await cell(page, 0).waitFor()
  })
}

test('the keyboard reaches the last image and comes back; all are selected at once', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  await cell(page, 0).focus()
  await page.keyboard.press('End')
  await page.locator(`[data-place="${IMAGES - 1}"] :focus`).waitFor()
  await cell(page, IMAGES - 1).waitFor()
  await page.keyboard.press('ArrowLeft')
  await page.locator(`[data-place="${IMAGES - 2}"] :focus`).waitFor()
  await page.keyboard.press('Control+a')
  await page.getByText('All 100,000 selected').waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').getByText('99,999 of 100,000').waitFor()
  await page.keyboard.press('ArrowRight')
  await page
    .getByRole('dialog')
    .getByRole('heading', { name: `${IMAGES - 1}.jpg` })
    .waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.keyboard.press('Home')
  await page.locator('[data-place="0"] :focus').waitFor()
})

test('a link to an image deep in the list opens it at once, and then finds its neighbours', async () => {
  const deep = 30_000
  await using tab = await chromium.open(`${server.url}/gallery/${idOf(deep)}`)
  const { page } = tab
  await page
    .getByRole('dialog')
    .getByRole('heading', { name: `${deep}.jpg` })
    .waitFor()
  await page.getByRole('dialog').getByText('30,001 of 100,000').waitFor({ timeout: 60_000 })
  await page.keyboard.press('ArrowRight')
  await page
    .getByRole('dialog')
    .getByRole('heading', { name: `${deep + 1}.jpg` })
    .waitFor()
  await page.keyboard.press('Escape')
  await page.locator(`[data-place="${deep + 1}"] :focus`).waitFor()
})
