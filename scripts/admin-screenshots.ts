// The pictures of the login and the admin area: a server with accounts, whose images came in over the last hour.
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { allDeveloped, openAs, uploadAs } from '../test/browser/signed-in.ts'
import { letIn, setUp } from '../test/support/clients/accounts.ts'
import type { OpenOptions, TestBrowser } from '../test/support/clients/browser.ts'
import type { SentFile } from '../test/support/clients/client.ts'
import { change } from '../test/support/servers/data-dir.ts'
import { startServer } from '../test/support/servers/server.ts'

const blank = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: 'grey' } })
    .png()
    .toBuffer()

/** Some that fail, for three reasons. */
async function failing(photographs: Buffer[]): Promise<SentFile[]> {
  const broken = photographs.slice(0, 14).map((bytes, at) => ({ name: `DSC_0${900 + at}.jpg`, bytes: bytes.subarray(0, 9_000 + at * 500) }))
  const wide = await Promise.all([17_000, 18_000, 19_000].map((width) => blank(width, 2)))
  return [...broken, ...wide.map((bytes, at) => ({ name: `Panorama of the fjord ${at + 1}.png`, bytes }))]
}

/** As if they had come in through the hour, in two waves, instead of just now. */
const SPREAD = `update images set finished_at = finished_at - abs(random() % 1000) * abs(random() % 1000) * 3300 / 1000
  where finished_at is not null`

/** A device and a theme, and how a picture of it is kept. */
export interface Look {
  options: OpenOptions
  shoot(page: Page, name: string): Promise<void>
}

export async function shootAdmin(chromium: TestBrowser, photographs: Buffer[], looks: Look[]): Promise<void> {
  await using server = await startServer({ env: { AUTH: 'required', LOG_LEVEL: 'warn' } })
  const root = await setUp(server, 'anna@example.org')
  const henry = await letIn(server, root, 'henry@example.org')
  await uploadAs(server, henry, await failing(photographs))
  const half = Math.floor(photographs.length / 2)
  const named = photographs.map((bytes, at) => ({ name: `DSC_${1000 + at}.jpg`, bytes }))
  await uploadAs(server, henry, named.slice(0, half))
  await uploadAs(server, root, named.slice(half))
  await allDeveloped(server, root)
  await change(server, SPREAD)
  for (const { options, shoot } of looks) {
    await using login = await chromium.open(`${server.url}/login`, options)
    await login.page.getByLabel('E-mail').fill('anna@example.org')
    await shoot(login.page, 'login')

    await using tab = await openAs(chromium, server, root, '/admin', options)
    const { page } = tab
    await page.getByTestId('throughput').waitFor()
    await shoot(page, 'overview')
    await page.goto(`${server.url}/admin/images`)
    for (const at of [2, 3, 5]) await page.getByRole('row').nth(at).getByRole('checkbox').check()
    await page.keyboard.press('Home')
    await page.waitForLoadState('networkidle')
    await shoot(page, 'images')
    await page.goto(`${server.url}/admin/failures`)
    await page.getByTestId('failure-invalid_image').waitFor()
    await shoot(page, 'failures')
  }
}
