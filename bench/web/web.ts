// `npm run bench:web [-- curl|rows]`: what the page costs. Frames while 20,000 rows scroll, against an empty page; and a drop of 1,000 files against curl.
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import type { ApiInitiated } from '../../src/api/uploads.ts'
import { drop, finished } from '../../test/browser/upload/upload-page.ts'
import { startHeartbeat, usedHeapMb } from '../../test/browser/page-measures.ts'
import { startBrowser } from '../../test/support/clients/browser.ts'
import { eventually, getBatch } from '../../test/support/clients/client.ts'
import { startServer, type Server } from '../../test/support/servers/server.ts'
import { tinyPhotographs } from './tiny-photographs.ts'

const ROWS = 20_000
const FILES = 1_000
const SCROLL_MS = 6_000
const ROUNDS = 3
const MANY_MINUTES_MS = 20 * 60_000

/** Frames a second while the page is scrolled by 900 px a frame, to and fro. */
const framesWhileScrolling = (page: Page) =>
  page.evaluate(
    (ms) =>
      new Promise<number>((resolve) => {
        const startedAt = performance.now()
        let frames = 0
        let step = 900
        const frame = () => {
          const elapsed = performance.now() - startedAt
          if (elapsed >= ms) return resolve((frames / elapsed) * 1000)
          frames++
          const { scrollTop, scrollHeight, clientHeight } = document.documentElement
          if (scrollTop + step > scrollHeight - clientHeight || scrollTop + step < 0) step = -step
          scrollBy(0, step)
          requestAnimationFrame(frame)
        }
        requestAnimationFrame(frame)
      }),
    SCROLL_MS,
  )

async function rows() {
  const folder = await tinyPhotographs(ROWS, { megapixels: 0.001, bytes: 1_500 })
  await using server = await startServer({ env: { LOG_LEVEL: 'warn' } })
  await using chromium = await startBrowser()
  await using blank = await chromium.open('about:blank')
  await blank.page.setContent('<div style="height: 1280000px; background: linear-gradient(red, blue)"></div>')
  const empty = await framesWhileScrolling(blank.page)
  await using tab = await chromium.open(server.url)
  const heapBefore = await usedHeapMb(tab.page)
  const heartbeat = await startHeartbeat(tab.page)
  const startedAt = performance.now()
  await drop(tab.page, folder)
  await tab.page.getByRole('button', { name: /^All 20,000/ }).waitFor({ timeout: 60_000 })
  const listedAfter = performance.now() - startedAt
  const during = await framesWhileScrolling(tab.page)
  await finished(tab.page, MANY_MINUTES_MS)
  const doneAfter = performance.now() - startedAt
  const { p99LateMs, worstTaskMs } = await heartbeat.stop()
  const after = await framesWhileScrolling(tab.page)
  console.log(
    `| 20,000 rows, frames/s | empty page ${empty.toFixed(0)} | while uploading ${during.toFixed(0)} | at rest ${after.toFixed(0)} |`,
  )
  console.log(
    `  listed after ${(listedAfter / 1000).toFixed(1)} s, all developed after ${(doneAfter / 1000).toFixed(0)} s; heartbeat late at p99 ` +
      `${p99LateMs.toFixed(0)} ms, longest task ${worstTaskMs.toFixed(0)} ms; heap ${heapBefore.toFixed(0)} to ${(await usedHeapMb(tab.page)).toFixed(0)} MB`,
  )
  rmSync(folder, { recursive: true })
}

async function byPage(folder: string) {
  await using server = await startServer({ env: { LOG_LEVEL: 'warn' } })
  await using chromium = await startBrowser()
  await using tab = await chromium.open(server.url)
  await tab.page.getByTestId('welcome').waitFor()
  const startedAt = performance.now()
  await drop(tab.page, folder)
  await finished(tab.page, MANY_MINUTES_MS)
  return measured(startedAt, server)
}

async function byCurl(folder: string) {
  await using server = await startServer({ env: { LOG_LEVEL: 'warn' } })
  const config = join(folder, '.curl')
  writeFileSync(
    config,
    readdirSync(folder, { withFileTypes: true })
      .filter(({ name }) => name.endsWith('.jpg'))
      .map(({ name }) => `form = "images=@${join(folder, name)}"`)
      .join('\n'),
  )
  const startedAt = performance.now()
  const { stdout } = spawnSync('curl', ['-s', '-K', config, `${server.url}/api/async/batch/upload`], { encoding: 'utf8', maxBuffer: 64e6 })
  const { job_id } = JSON.parse(stdout) as ApiInitiated
  await eventually('all are developed', async () => (await getBatch(server, job_id)).completed === FILES, MANY_MINUTES_MS)
  return measured(startedAt, server)
}

const measured = (startedAt: number, server: Server) => ({
  seconds: (performance.now() - startedAt) / 1000,
  cpuSeconds: server.cpuMs() / 1000,
})

async function againstCurl() {
  const folder = await tinyPhotographs(FILES, { megapixels: 0.05, bytes: 20_000 })
  for (let round = 1; round <= ROUNDS; round++) {
    const curl = await byCurl(folder)
    const page = await byPage(folder)
    console.log(
      `| 1,000 files of 20 KB, seconds to the last (CPU of the server) | curl ${curl.seconds.toFixed(1)} (${curl.cpuSeconds.toFixed(1)}) | ` +
        `page ${page.seconds.toFixed(1)} (${page.cpuSeconds.toFixed(1)}) | ratio ${(page.seconds / curl.seconds).toFixed(2)} |`,
    )
  }
  rmSync(folder, { recursive: true })
}

const only = process.argv[2]
if (only !== 'rows') await againstCurl()
if (only !== 'curl') await rows()
