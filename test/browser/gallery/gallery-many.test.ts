// Many images at once in a real browser: deleted with second thoughts, tried again, downloaded as one zip.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { startBrowser, type TestBrowser } from '../../support/clients/browser.ts'
import { allFinal, eventually, listImages, upload } from '../../support/clients/client.ts'
import { smallPhotograph, smallPhotographs } from '../../support/inputs/photographs.ts'
import { startServer, type Server } from '../../support/servers/server.ts'
import { contentOf, inMemory, readZip } from '../../support/clients/zip-reader.ts'

const IMAGES = 30
let server: Server
let chromium: TestBrowser
let photographs: { name: string; bytes: Buffer }[]

before(async () => {
  ;[server, chromium] = await Promise.all([startServer(), startBrowser()])
  photographs = (await smallPhotographs(IMAGES, { seed: 400 })).map((bytes, index) => ({ name: `field-${index}.jpg`, bytes }))
  await upload(server, 'batch', photographs)
  await allFinal(server)
})
after(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await server?.stop()
})

const link = (page: Page, place: number) => page.locator(`[data-place="${place}"]`).getByRole('link')
const nameAt = (page: Page, place: number) => link(page, place).getAttribute('aria-label')
const count = (page: Page, text: string) => page.getByTestId('count').getByText(text, { exact: true }).waitFor()
const names = async () => (await listImages(server)).map(({ name }) => name)

/** The time to undo stands still while the pointer is there: a slow machine needs not hurry. */
const hold = (page: Page) => page.getByTestId('undo').hover()

async function select(page: Page, ...places: number[]) {
  for (const place of places) await link(page, place).click({ modifiers: ['Control'] })
  await page.getByTestId('selection-bar').getByText(`${places.length} selected`).waitFor()
}

test('what is deleted vanishes at once, comes back to its places when undone, and goes for good when the time is over', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  await count(page, `${IMAGES} images`)
  const before = await Promise.all([0, 1, 2, 3, 4].map((place) => nameAt(page, place)))
  await select(page, 1, 3)
  await page.getByRole('button', { name: 'Delete' }).click()
  await hold(page)
  await count(page, `${IMAGES - 2} images`)
  assert.deepEqual(await Promise.all([0, 1, 2].map((place) => nameAt(page, place))), [before[0], before[2], before[4]])
  await page.getByTestId('undo').getByText('2 images deleted').waitFor()
  await page.getByRole('button', { name: 'Undo' }).click()
  await count(page, `${IMAGES} images`)
  assert.deepEqual(await Promise.all([0, 1, 2, 3, 4].map((place) => nameAt(page, place))), before)
  assert.equal((await names()).length, IMAGES)

  await select(page, 0, 2)
  await page.keyboard.press('Delete')
  await hold(page)
  await count(page, `${IMAGES - 2} images`)
  assert.equal((await names()).length, IMAGES)
  await page.mouse.move(5, 5)
  await eventually('they are gone', async () => (await names()).length === IMAGES - 2, 15_000)
  const left = await names()
  assert.ok(!left.includes(before[0]!) && !left.includes(before[2]!))
  await page.getByTestId('undo').waitFor({ state: 'detached' })
  await page.reload()
  await count(page, `${IMAGES - 2} images`)
})

test('leaving the page deletes what was still to be undone', async () => {
  const before = await names()
  const tab = await chromium.open(`${server.url}/gallery`)
  await count(tab.page, `${before.length} images`)
  await select(tab.page, 0)
  const gone = await nameAt(tab.page, 0)
  await tab.page.keyboard.press('Delete')
  await hold(tab.page)
  await count(tab.page, `${before.length - 1} images`)
  assert.ok((await names()).includes(gone!))
  await tab.page.goto('about:blank')
  await eventually('it is gone', async () => !(await names()).includes(gone!), 3_000)
  await tab.close()
})

test('in the lightbox the next one takes the place of what is deleted, and the way back undoes it', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  const [first, second] = [await nameAt(page, 0), await nameAt(page, 1)]
  const title = (name: string | null) => page.getByRole('dialog').getByRole('heading', { level: 1, name: name!, exact: true }).waitFor()
  await link(page, 0).click()
  await title(first)
  await page.getByRole('button', { name: 'Delete' }).click()
  await hold(page)
  await title(second)
  await page.getByRole('dialog').getByRole('button', { name: 'Undo' }).click()
  await page.getByRole('button', { name: 'Previous image' }).click()
  await title(first)
  assert.ok((await names()).includes(first!))
})

test('originals are downloaded as one zip: some of them, and all that the filter shows', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  await link(page, 0).waitFor()
  const chosen = [await nameAt(page, 0), await nameAt(page, 4)]
  const archive = async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()])
    assert.match(download.suggestedFilename(), /\.zip$/)
    const zip = inMemory(await readFile(await download.path()))
    return new Map(readZip(zip).map((entry) => [entry.name, contentOf(zip, entry)]))
  }
  await select(page, 0, 4)
  const some = await archive()
  assert.deepEqual([...some.keys()].sort(), chosen.sort())
  for (const [name, bytes] of some) assert.deepEqual(bytes, photographs.find((photo) => photo.name === name)!.bytes)
  await page.getByTestId('selection-bar').waitFor({ state: 'detached' })

  const matching = (await names()).filter((name) => name.includes('field-2'))
  await page.getByRole('searchbox').fill('field-2')
  await count(page, `${matching.length} images`)
  await link(page, 0).focus()
  await page.keyboard.press('Control+a')
  const all = await archive()
  assert.deepEqual([...all.keys()].sort(), matching.sort())

  // All but one.
  await link(page, 0).focus()
  await page.keyboard.press('Control+a')
  await page.keyboard.press('Space')
  const without = await nameAt(page, 0)
  assert.deepEqual([...(await archive()).keys()].sort(), matching.filter((name) => name !== without).sort())
})

test('of many that are selected the failed ones are tried again', async () => {
  await upload(server, 'batch', [{ name: 'torn.jpg', bytes: (await smallPhotograph({ seed: 600 })).subarray(0, 4_000) }])
  const torn = (await allFinal(server)).find(({ name }) => name === 'torn.jpg')!
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  await link(page, 0).focus()
  await page.keyboard.press('Control+a')
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByTestId('notice').getByText('1 image will be tried again').waitFor()
  await eventually('it failed once more', async () => {
    const again = (await listImages(server)).find(({ id }) => id === torn.id)!
    return again.status === 'error' && again.finished_at !== torn.finished_at
  })
})

test('all in the filter are deleted, those on pages that were not read too, but not what arrived since', async () => {
  await using tab = await chromium.open(`${server.url}/gallery`)
  const { page } = tab
  const total = (await names()).length
  await link(page, 0).focus()
  await page.keyboard.press('Control+a')
  await upload(server, 'batch', [{ name: 'late.jpg', bytes: await smallPhotograph({ seed: 700 }) }])
  await allFinal(server)
  await page.getByTestId('selection-bar').getByText(`All ${total} selected`).waitFor()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByTestId('undo').getByText(`${total} images deleted`).waitFor()
  await page.getByRole('link', { name: 'Upload', exact: true }).click()
  await eventually('they are gone', async () => (await names()).length === 1)
  assert.deepEqual(await names(), ['late.jpg'])
})

test('a download or a deletion that the server does not answer is said, and what was to be deleted is back', async () => {
  const own = await startServer()
  try {
    await upload(own, 'batch', photographs.slice(0, 3))
    await allFinal(own)
    await using tab = await chromium.open(`${own.url}/gallery`, { expected: /ERR_CONNECTION_REFUSED|WebSocket|Failed to load resource/ })
    const { page } = tab
    await count(page, '3 images')
    await own.kill('SIGKILL')
    await select(page, 0)
    await page.getByRole('button', { name: 'Download' }).click()
    await page.getByTestId('notice').getByText('The download could not be started').waitFor()
    await select(page, 1)
    await page.keyboard.press('Delete')
    await count(page, '2 images')
    await page.getByTestId('notice').getByText('1 image could not be deleted').waitFor()
    await count(page, '3 images')
  } finally {
    await own.stop()
  }
})
