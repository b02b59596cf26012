// The gallery in a real browser: what it shows and finds, the keyboard, what arrives, the lightbox and its links.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import type { ApiImage } from '../../../src/api/images.ts'
import { freePorts } from '../../../scripts/cluster/place.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { assertAccessible, startBrowser, type TestBrowser } from '../../support/clients/browser.ts'
import { allFinal, ask, eventually, upload } from '../../support/clients/client.ts'
import { photograph, smallPhotograph, smallPhotographs } from '../../support/inputs/photographs.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

let server: Server
let chromium: TestBrowser
/** Newest first. */
let images: ApiImage[]

before(async () => {
  ;[server, chromium] = await Promise.all([startServer(), startBrowser()])
  const photographs = (await smallPhotographs(40, { seed: 1 })).map((bytes, index) => ({ name: `meadow-${index + 1}.jpg`, bytes }))
  await upload(server, 'batch', photographs)
  await upload(server, 'batch', [
    { name: 'harbour.png', bytes: await photograph({ seed: 7, megapixels: 0.05, format: 'png' }) },
    { name: 'cut-off.jpg', bytes: (await smallPhotograph({ seed: 99 })).subarray(0, 4_000) },
  ])
  images = await allFinal(server)
})
after(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await server?.stop()
})

const cell = (page: Page, place: number) => page.locator(`[data-place="${place}"]`)
const link = (page: Page, place: number) => cell(page, place).getByRole('link')
const focused = (page: Page) =>
  page.evaluate(() => Number(document.activeElement?.closest('[data-place]')?.getAttribute('data-place') ?? -1))
const count = (page: Page, text: string) => page.getByTestId('count').getByText(text, { exact: true }).waitFor()
const dialog = (page: Page) => page.getByRole('dialog', { name: 'Image viewer' })
const title = (page: Page, name: string) => dialog(page).getByRole('heading', { level: 1, name, exact: true }).waitFor()
const address = (page: Page) => new URL(page.url()).pathname

test('newest first, each with its blurred self and then its thumbnail; a failed one says so', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  await count(page, '42 images')
  for (const place of [0, 1, 2, 10]) await page.locator(`[data-place="${place}"] a[href^="/gallery/${images[place]!.id}"]`).waitFor()
  const failed = images.findIndex(({ status }) => status === 'error')
  await cell(page, failed).getByRole('link', { name: 'Failed cut-off.jpg' }).waitFor()
  const shown = images.findIndex(({ name }) => name === 'meadow-30.jpg')
  const { width, height, thumbhash } = images[shown]!
  assert.ok(thumbhash)
  await cell(page, shown).locator('img.there').waitFor()
  const [blurred, thumbnail] = await cell(page, shown).locator('img').all()
  assert.match((await blurred!.getAttribute('src'))!, /^data:image\/png/)
  const box = (await thumbnail!.boundingBox())!
  const ratio = width! / height!
  assert.ok(Math.abs(box.width / box.height - ratio) < 0.02, 'the picture has its own ratio, however it is cropped')
  assert.ok(await thumbnail!.evaluate((image: HTMLImageElement) => image.naturalWidth > 0))
})

test('search, state, format and order are in the address, and the history has them', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  await count(page, '42 images')
  await page.getByRole('searchbox').fill('meadow-3')
  await count(page, '11 images')
  assert.equal(new URL(page.url()).search, '?q=meadow-3')
  await page.getByRole('combobox', { name: 'Order' }).selectOption('Name, Z to A')
  await page.locator(`[data-place="0"] a[aria-label="meadow-39.jpg"]`).waitFor()
  await page.getByRole('button', { name: 'Clear search and filters' }).click()
  await page.getByRole('combobox', { name: 'Format' }).selectOption('PNG')
  await count(page, '1 image')
  await page.getByRole('combobox', { name: 'State' }).selectOption('Failed')
  await page.getByRole('heading', { name: 'No image is like that' }).waitFor()
  await page.getByRole('button', { name: 'Show all images' }).click()
  await count(page, '42 images')
  await page.goBack()
  await page.getByRole('heading', { name: 'No image is like that' }).waitFor()
  await page.goto(`${server.url}/gallery?status=error&sort=oldest`)
  await count(page, '1 image')
  assert.equal(await page.getByRole('combobox', { name: 'State' }).inputValue(), 'error')
})

test('the keyboard goes everywhere, opens, closes and comes back to where it was', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`, { viewport: { width: 1000, height: 700 } })
  const { page } = tab
  await link(page, 0).focus()
  const columns = Number(await page.getByRole('grid').getAttribute('aria-colcount'))
  const press = async (key: string, expected: number) => {
    await page.keyboard.press(key)
    await eventually(`${key} goes to ${expected}`, async () => (await focused(page)) === expected)
  }
  await press('ArrowRight', 1)
  await press('ArrowDown', 1 + columns)
  await press('ArrowLeft', columns)
  await press('ArrowUp', 0)
  await press('ArrowUp', 0)
  await press('End', 41)
  await press('Home', 0)
  await page.keyboard.press('PageDown')
  await eventually('a page down', async () => (await focused(page)) >= 2 * columns)
  await page.keyboard.press('Home')
  await press('ArrowRight', 1)
  // One stop of the tabulator for all of them.
  assert.equal(await page.locator('[role=grid] [tabindex="0"]').count(), 1)
  await page.keyboard.press('Enter')
  await title(page, images[1]!.name)
  assert.equal(address(page), `/gallery/${images[1]!.id}`)
  await page.keyboard.press('ArrowRight')
  await title(page, images[2]!.name)
  await eventually('the address follows', async () => address(page) === `/gallery/${images[2]!.id}`)
  await page.keyboard.press('Escape')
  await dialog(page).waitFor({ state: 'detached' })
  assert.equal(address(page), '/gallery')
  assert.equal(await focused(page), 2)
})

test('ranges and all are selected by the keyboard, and Escape lets go of them', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  const selected = (text: string) => page.getByTestId('selection-bar').getByText(text, { exact: true }).waitFor()
  await link(page, 2).focus()
  await page.keyboard.press('Space')
  await selected('1 selected')
  await page.keyboard.press('Shift+ArrowRight')
  await page.keyboard.press('Shift+ArrowRight')
  await selected('3 selected')
  assert.equal(await page.locator('[aria-selected=true]').count(), 3)
  await link(page, 5).click({ modifiers: ['Shift'] })
  await selected('4 selected')
  await page.keyboard.press('Control+a')
  await selected('All 42 selected')
  await page.keyboard.press('Space')
  await selected('41 selected')
  await page.keyboard.press('Escape')
  await page.getByTestId('selection-bar').waitFor({ state: 'detached' })
  assert.equal(await page.locator('[aria-selected=true]').count(), 0)
})

test('a link to an image opens it, with its neighbours and its details; the way back leads to the gallery', async () => {
  const place = 20
  const image = images[place]!
  await using tab = await chromium.open(`${server.url}/gallery/${image.id}`)
  const { page } = tab
  await title(page, image.name)
  await dialog(page).locator('.pswp__item[aria-hidden=false] img.pswp__img:not(.pswp__img--placeholder)').waitFor()
  await page.getByRole('button', { name: 'Details' }).click()
  const details = page.getByRole('complementary', { name: 'Details' })
  await details.getByText(`${image.width!.toLocaleString('en')} × ${image.height!.toLocaleString('en')} pixels`).waitFor()
  await details.getByText('JPEG', { exact: true }).waitFor()
  await details.getByText(RECIPE.id, { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Next image' }).click()
  await title(page, images[place + 1]!.name)
  await page.getByRole('button', { name: 'Previous image' }).click()
  await title(page, image.name)
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download the original' }).click()])
  assert.equal(download.suggestedFilename(), image.name)
  await page.getByRole('button', { name: 'Back to the gallery' }).click()
  await dialog(page).waitFor({ state: 'detached' })
  assert.equal(address(page), '/gallery')
  await link(page, 3).click()
  await title(page, images[3]!.name)
  await page.goBack()
  await dialog(page).waitFor({ state: 'detached' })
  await page.goForward()
  await title(page, images[3]!.name)
})

test('a link to an image that is gone says so, and shows the others', async () => {
  await using tab = await chromium.open(`${server.url}/gallery/019ab1c2-0000-7000-8000-000000000000`, { expected: /404/ })
  await tab.page.getByTestId('notice').getByText('This image is not here any more', { exact: false }).waitFor()
  await count(tab.page, '42 images')
  assert.equal(address(tab.page), '/gallery')
})

test('the link is copied, also where a page has no clipboard', async () => {
  for (const hasClipboard of [true, false]) {
    await using tab = await chromium.open(`${server.url}/gallery/${images[4]!.id}`, { permissions: ['clipboard-read', 'clipboard-write'] })
    const { page } = tab
    await title(page, images[4]!.name)
    await page.evaluate((hasOne) => {
      Object.assign(globalThis, { clipboard: navigator.clipboard })
      if (!hasOne) Object.defineProperty(navigator, 'clipboard', { value: undefined })
    }, hasClipboard)
    await page.getByRole('button', { name: 'Copy the link' }).click()
    await page.getByRole('button', { name: 'The link is copied' }).and(page.locator(':focus')).waitFor()
    const copied = await page.evaluate(() => (globalThis as unknown as { clipboard: Clipboard }).clipboard.readText())
    assert.equal(copied, `${server.url}/gallery/${images[4]!.id}`)
    await page.evaluate(() => (globalThis as unknown as { clipboard: Clipboard }).clipboard.writeText(''))
  }
})

test('what arrives shows by itself at the top, and is announced by a number further down', async () => {
  const own = await startServer()
  try {
    await upload(
      own,
      'batch',
      (await smallPhotographs(30, { seed: 200 })).map((bytes, index) => ({ name: `old-${index}.jpg`, bytes })),
    )
    await allFinal(own)
    await using tab = await chromium.open(`${own.url}/gallery`, { viewport: { width: 600, height: 500 } })
    const { page } = tab
    await count(page, '30 images')
    await upload(own, 'batch', [{ name: 'new-1.jpg', bytes: await smallPhotograph({ seed: 301 }) }])
    await cell(page, 0).locator('a[aria-label="new-1.jpg"] img.there').waitFor()
    await count(page, '31 images')
    await page.mouse.move(300, 400)
    await page.mouse.wheel(0, 600)
    await eventually('scrolled', async () => (await page.evaluate(() => scrollY)) > 400)
    const before = await page.evaluate(() => scrollY)
    await upload(own, 'batch', [
      { name: 'new-2.jpg', bytes: await smallPhotograph({ seed: 302 }) },
      { name: 'new-3.jpg', bytes: await smallPhotograph({ seed: 303 }) },
    ])
    const pill = page.getByRole('button', { name: '2 new images' })
    await pill.waitFor()
    assert.equal(await page.evaluate(() => scrollY), before)
    await count(page, '31 images')
    await pill.click()
    await count(page, '33 images')
    const [newest] = (await ask<ApiImage[]>(own, '/api/images?limit=1')).body
    await cell(page, 0).locator(`a[aria-label="${newest!.name}"]`).waitFor()
    assert.equal(await page.evaluate(() => scrollY), 0)
  } finally {
    await own.stop()
  }
})

test('an empty gallery says how to fill it; one that can not be read says so, and goes on when the server is back', async () => {
  const env = { PORT: String(await freePorts(1)) }
  const own = await startServer({ env })
  await using tab = await chromium.open(`${own.url}/gallery`, { expected: /ERR_CONNECTION_REFUSED|WebSocket|Failed to load resource/ })
  const { page } = tab
  await page.getByRole('heading', { name: 'No photographs yet' }).waitFor()
  await page.getByRole('link', { name: 'Upload photographs' }).waitFor()
  await assertAccessible(page)
  await own.kill('SIGKILL')
  await page.locator('[data-testid=connection][data-state=waiting]').waitFor()
  await page.getByRole('searchbox').fill('anything')
  await page.getByRole('heading', { name: 'The images could not be read' }).waitFor()
  const again = await startServer({ dataDir: own.dataDir, env })
  try {
    await page.getByRole('heading', { name: 'No image is like that' }).waitFor()
  } finally {
    await again.stop()
    await own.stop()
  }
})

test('axe finds nothing on the gallery, with a selection, and in the lightbox with its details', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  await cell(page, 3).locator('img.there').waitFor()
  await assertAccessible(page)
  await link(page, 0).focus()
  await page.keyboard.press('Space')
  await page.getByTestId('selection-bar').waitFor()
  await assertAccessible(page)
  await page.keyboard.press('Escape')
  await link(page, 3).click()
  await title(page, images[3]!.name)
  await page.keyboard.press('i')
  await page.getByRole('complementary', { name: 'Details' }).getByText('Recipe').waitFor()
  await eventually('it has opened', () =>
    page.evaluate(() =>
      document
        .querySelector('.pswp')!
        .getAnimations({ subtree: true })
        .every((animation) => !(animation instanceof CSSTransition)),
    ),
  )
  await assertAccessible(page)
})

test('a failed image says why in the lightbox, and can be tried again', async () => {
  const place = images.findIndex(({ status }) => status === 'error')
  await using tab = await chromium.open(`${server.url}/gallery/${images[place]!.id}`)
  const { page } = tab
  await title(page, 'cut-off.jpg')
  await dialog(page).getByText(images[place]!.error!).waitFor()
  const { body } = await ask<ApiImage>(server, `/api/images/${images[place]!.id}`)
  await page.getByRole('button', { name: 'Try again' }).click()
  await eventually('it failed once more', async () => {
    const { status, finished_at } = (await ask<ApiImage>(server, `/api/images/${images[place]!.id}`)).body
    return status === 'error' && finished_at !== body.finished_at
  })
})
