// What the tests of uploads do with the page: drop, wait for its end, read what it says.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import type { ApiBatch } from '../../../src/api/batches.ts'
import { ask, listImages } from '../../support/clients/client.ts'

/** Files or folders of the disk let go over the page, as from a file manager. */
export async function drop(page: Page, ...paths: string[]): Promise<void> {
  await page.getByTestId('welcome').or(page.getByTestId('summary')).waitFor()
  const devtools = await page.context().newCDPSession(page)
  const data = { items: [], files: paths, dragOperationsMask: 1 }
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await devtools.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data })
  }
  await devtools.detach()
}

/** Waits until nothing goes on any more. */
export const finished = (page: Page, timeoutMs = 60_000) =>
  page.getByTestId('summary').getByRole('button', { name: 'Clear the list' }).waitFor({ timeout: timeoutMs })

/** The count beside the name of a state above the list; 0 without it. */
export async function countOf(page: Page, label: string): Promise<number> {
  const button = page.getByRole('group', { name: 'Show files by state' }).getByRole('button', { name: new RegExp(`^${label}`) })
  if ((await button.count()) === 0) return 0
  return Number((await button.innerText()).replace(/\D/g, ''))
}

export const batches = async (server: { url: string }) => (await ask<ApiBatch[]>(server, '/api/batches?limit=100')).body

/** Its counts add up to what was declared. */
export function assertAddsUp(batch: ApiBatch): void {
  const { needed, pending, processing, completed, error, rejected, aborted, expired } = batch
  assert.equal(needed + pending + processing + completed + error + rejected + aborted + expired, batch.declared, JSON.stringify(batch))
}

/** Every name is there once, and developed. */
export async function assertComplete(server: { url: string }, names: string[]): Promise<void> {
  const images = await listImages(server)
  const base = (name: string) => name.slice(name.lastIndexOf('/') + 1)
  assert.deepEqual(images.map(({ name }) => name).sort(), names.map(base).sort())
  assert.deepEqual([...new Set(images.map(({ status }) => status))], ['completed'])
  for (const batch of await batches(server)) {
    assertAddsUp(batch)
    assert.equal(batch.completed, batch.declared, JSON.stringify(batch))
  }
}
