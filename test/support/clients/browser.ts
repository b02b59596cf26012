// A real Chromium for tests: Debian's, with an empty profile, gone afterwards; what its console complains about fails the test.
import { existsSync } from 'node:fs'
import assert from 'node:assert/strict'
import { AxeBuilder } from '@axe-core/playwright'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { CHROMIUM } from '../../../scripts/cluster/programs.ts'

const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Figures of memory to the byte, and a collection of garbage when asked for.
  '--enable-precise-memory-info',
  '--js-flags=--expose-gc',
]

/** What a page does at once takes no longer, on the slowest machine. */
const ACTION_TIMEOUT_MS = 15_000

export interface TestBrowser extends AsyncDisposable {
  browser: Browser
  /**
   * A tab in a context of its own. Complaints of its console, but those that `expected` matches, make `close` reject; so does a
   * script that failed.
   */
  open(url: string, options?: OpenOptions): Promise<TestPage>
}

export interface OpenOptions extends BrowserContextOptions {
  /** Complaints that belong to the test, such as those about a server that was killed. */
  expected?: RegExp
  /** In this context, which stays open: another tab of the same person. */
  context?: BrowserContext
}

export interface TestPage extends AsyncDisposable {
  page: Page
  /** What the console complained about so far. */
  complaints: string[]
  /** Closes the tab, and the context if it is its own. Rejects if there were complaints. */
  close(): Promise<void>
}

/** Starts Chromium. Rejects with the line to install it where it is missing. */
export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = CHROMIUM.find((path) => existsSync(path))
  if (executablePath === undefined)
    throw new Error('The tests of the page need Chromium: apt-get install -y --no-install-recommends chromium')
  const browser = await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: process.getuid?.() !== 0 })
  return {
    browser,
    open: (url, options = {}) => openPage(browser, url, options),
    [Symbol.asyncDispose]: () => browser.close(),
  }
}

async function openPage(browser: Browser, url: string, { expected, context, ...options }: OpenOptions): Promise<TestPage> {
  const own = context ?? (await browser.newContext({ locale: 'en', ...options }))
  const page = await own.newPage()
  page.setDefaultTimeout(ACTION_TIMEOUT_MS)
  const complaints: string[] = []
  const complain = (text: string) => {
    if (!expected?.test(text)) complaints.push(text)
  }
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complain(message.text())
  })
  page.on('pageerror', (error) => complain(error.stack ?? error.message))
  const close = async () => {
    await page.close()
    if (context === undefined) await own.close()
    assert.deepEqual(complaints, [], 'The console of the page complained')
  }
  let closed: Promise<void> | undefined
  const opened: TestPage = { page, complaints, close: () => (closed ??= close()), [Symbol.asyncDispose]: () => opened.close() }
  await page.goto(url)
  return opened
}

/** Fails if axe finds anything on the page as it is now, in light or in dark. */
export async function assertAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    // Colours change over a moment; axe would measure what is between.
    await page.waitForTimeout(100)
    // In the page itself, and only what is wrong is described: a second page to put results of frames together, and selectors of all that
    // is right, are three quarters of the work. There is no frame to be missed.
    assert.equal(page.frames().length, 1, 'no frames')
    const { violations } = await new AxeBuilder({ page })
      .setLegacyMode()
      .options({ resultTypes: ['violations'] })
      .analyze()
    const found = violations.map(
      ({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`).join('\n')}`,
    )
    assert.deepEqual(found, [], `axe, in ${colorScheme}`)
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null })
}
