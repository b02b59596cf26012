// Who uses the page in tests of a server with AUTH=required: signed in by the form, or with the cookie of a session.
import assert from 'node:assert/strict'
import type { BrowserContextOptions, Page } from 'playwright-core'
import type { ApiInitiated } from '../../src/api/uploads.ts'
import { PASSWORD, type SignedIn } from '../support/clients/accounts.ts'
import type { OpenOptions, TestBrowser, TestPage } from '../support/clients/browser.ts'
import { eventually, type SentFile } from '../support/clients/client.ts'
import type { Server } from '../support/servers/server.ts'

type At = Pick<Server, 'url'>

/** What takes a server, a queue and a page in turn has its time on a machine that does much else. */
const PATIENT_MS = 45_000

/** A tab in a context of its own, of a session that is there already. */
export async function openAs(chromium: TestBrowser, server: At, who: SignedIn, path: string, options: OpenOptions = {}): Promise<TestPage> {
  const [name = '', value = ''] = who.cookie.split('=')
  const { hostname } = new URL(server.url)
  const cookie = { name, value, domain: hostname, path: '/', httpOnly: true, secure: false, sameSite: 'Lax' as const, expires: -1 }
  const storageState: BrowserContextOptions['storageState'] = { cookies: [cookie], origins: [] }
  const tab = await chromium.open(server.url + path, { storageState, ...options })
  tab.page.setDefaultTimeout(PATIENT_MS)
  return tab
}

/** Fills in the form of the login page that is shown, and sends it. */
export async function fillIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** One batch of who is signed in, acknowledged. */
export async function uploadAs(server: At, { headers }: SignedIn, files: SentFile[]): Promise<ApiInitiated> {
  const form = new FormData()
  for (const { name, bytes } of files) form.append('images', new Blob([bytes.slice()]), name)
  const response = await fetch(`${server.url}/api/async/batch/upload`, { method: 'POST', body: form, headers })
  assert.equal(response.status, 202)
  return (await response.json()) as ApiInitiated
}

/** JSON of an address, as who is signed in. */
export async function askAs<T>(server: At, { headers }: SignedIn, path: string): Promise<T> {
  const response = await fetch(server.url + path, { headers })
  assert.equal(response.status, 200, path)
  return (await response.json()) as T
}

/** Waits until nothing is in hand any more. */
export const allDeveloped = (server: At, who: SignedIn, timeoutMs = 120_000) =>
  eventually(
    'nothing is in hand',
    async () => {
      for (const status of ['pending', 'processing']) {
        if ((await askAs<{ images: number }>(server, who, `/api/images/count?status=${status}`)).images > 0) return false
      }
      return true
    },
    timeoutMs,
  )
