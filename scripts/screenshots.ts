// `npm run screenshots`: the pictures of the page in docs/screenshots/, of a real server with photographs made for them.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContextOptions, Page } from 'playwright-core'
import sharp from 'sharp'
import { startBrowser } from '../test/support/clients/browser.ts'
import { startServer } from '../test/support/servers/server.ts'
import { shootAdmin, type Look } from './admin-screenshots.ts'
import { landscape } from './landscape.ts'

const OUT = join(import.meta.dirname, '../docs/screenshots')
const PHOTOGRAPHS = 240
const ADMIN_PHOTOGRAPHS = 120

const DEVICES: Record<string, BrowserContextOptions> = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
}

const temporary = mkdtempSync(join(tmpdir(), 'calotype-screenshots-'))
const folder = join(temporary, 'Iceland 2026')
const bad = join(temporary, 'Found on the old disk')
for (const path of [folder, bad, OUT]) mkdirSync(path, { recursive: true })
const photographs: Buffer[] = []
for (let seed = 0; seed < PHOTOGRAPHS; seed++) {
  photographs.push(await landscape(seed))
  writeFileSync(join(folder, `DSC_${String(1000 + seed)}.jpg`), photographs.at(-1)!)
}
writeFileSync(join(bad, 'DSC_0997.jpg'), (await landscape(997)).subarray(0, 20_000))
writeFileSync(join(bad, 'DSC_0998.jpg'), (await landscape(998)).subarray(0, 9_000))
writeFileSync(join(bad, 'notes about the light.jpg'), 'None of these is a photograph.')
for (let seed = 500; seed < 509; seed++) writeFileSync(join(bad, `DSC_${seed}.jpg`), await landscape(seed))

const shootTo = (device: string, colorScheme: string) => async (page: Page, name: string) => {
  const picture = await page.screenshot({ animations: 'disabled' })
  // A palette is a third of the bytes.
  await sharp(picture)
    .png({ palette: true, effort: 10 })
    .toFile(join(OUT, `${name}-${device}-${colorScheme}.png`))
}
const looks: Look[] = []

await using chromium = await startBrowser()
for (const [device, options] of Object.entries(DEVICES)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    const look = { ...options, colorScheme, reducedMotion: 'reduce' } as const
    looks.push({ options: look, shoot: shootTo(device, colorScheme) })
    // Slow enough to be caught under way.
    await using server = await startServer({ env: { WORKER_CONCURRENCY: '1', LOG_LEVEL: 'warn' } })
    await using tab = await chromium.open(server.url, look)
    const { page } = tab
    const shoot = (name: string) => shootTo(device, colorScheme)(page, name)
    await page.getByTestId('welcome').waitFor()
    await shoot('welcome')
    await page.getByTestId('pick-folder').setInputFiles(folder)
    await developed(page, Math.floor(PHOTOGRAPHS / 3))
    await shoot('uploading')
    await page.getByRole('button', { name: 'Clear the list' }).click({ timeout: 120_000 })
    await page.getByTestId('pick-folder').setInputFiles(bad)
    await page.getByRole('button', { name: 'Clear the list' }).waitFor({ timeout: 60_000 })
    await page.getByRole('button', { name: /^Failed/ }).click()
    await shoot('failed')
    await page.goto(`${server.url}/gallery`)
    await page.locator('main img').nth(5).waitFor()
    await page.waitForLoadState('networkidle')
    await shoot('gallery')
    const { id } = ((await (await fetch(`${server.url}/api/images?status=completed&limit=30`)).json()) as { id: string }[]).at(-1)!
    await page.goto(`${server.url}/gallery/${id}`)
    await page.locator('.pswp img').first().waitFor()
    await page.waitForLoadState('networkidle')
    await shoot('lightbox')
  }
}
await shootAdmin(chromium, photographs.slice(0, ADMIN_PHOTOGRAPHS), looks)
rmSync(temporary, { recursive: true })

async function developed(page: Page, least: number): Promise<void> {
  const bar = page.getByRole('progressbar', { name: 'Developed' })
  await bar.waitFor()
  while (Number(/^[\d,]+/.exec((await bar.getAttribute('aria-valuetext')) ?? '0')![0]) < least) await page.waitForTimeout(50)
}
