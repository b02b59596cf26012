// `calotype backup` and `calotype restore`.
import { resolve } from 'node:path'
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { originalKey } from '../rendition/keys.ts'
import { createLog } from '../log.ts'
import { createProgress } from './progress.ts'

const WAYS = ['copy', 'link', 'list'] as const
const sizeOf = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

/** Returns the exit code: 1 when originals were missing or damaged already, and the rest was backed up. */
export async function backUpAndTell(config: Config, folder: string, { originals }: { originals?: string }): Promise<0 | 1> {
  const way = WAYS.find((one) => one === originals)
  if (originals !== undefined && !way) throw new StartError(`--originals is "${originals}"; it must be one of ${WAYS.join(', ')}.`)
  const progress = { copied: createProgress('copied'), verified: createProgress('verified') }
  const { backUp } = await import('../maintain.ts')
  const manifest = await backUp(
    config,
    createLog(config.logLevel),
    { folder: resolve(folder), ...(way && { originals: way }) },
    {
      onProgress: (what, count) => progress[what].tell(count),
      onFault: ({ sha256, code }) => console.log(`${code}: ${originalKey(sha256)}`),
    },
  )
  for (const { end } of Object.values(progress)) end()
  const { original_count: count, original_bytes: bytes, fault_count: faults, tables } = manifest
  const images = tables.find(({ table }) => table === 'images')?.rows ?? 0
  const kept = manifest.originals === 'files' ? 'with their bytes, verified by SHA-256' : 'as a list; back the bytes up where they are'
  console.log(`Backed up ${images} images, and ${count} originals (${sizeOf(bytes)}) ${kept}, to ${resolve(folder)}.`)
  console.log('Developed images are not in it: a restore has them developed again.')
  if (faults === 0) return 0
  console.log(`${faults} originals are missing or damaged in the store. The backup has all else; \`calotype doctor\` says more.`)
  return 1
}

/** Returns the exit code: 1 when originals are missing or damaged, and the rest was restored. */
export async function restoreAndTell(config: Config, folder: string): Promise<0 | 1> {
  const progress = createProgress('restored')
  let findings = 0
  const { restore } = await import('../maintain.ts')
  const manifest = await restore(config, createLog(config.logLevel), resolve(folder), {
    onProgress: progress.tell,
    report({ what, code, mended }) {
      if (code !== 'rendition_missing' || !mended) findings++
      if (code !== 'rendition_missing') console.log(`${what} [${code}]`)
    },
  })
  progress.end()
  const images = manifest.tables.find(({ table }) => table === 'images')?.rows ?? 0
  console.log(`Restored ${images} images, and ${manifest.original_count} originals, as of ${manifest.taken_at}.`)
  console.log('What was developed and is not there is developed again once the server runs.')
  if (findings === 0) return 0
  console.log(`${findings} findings, above: images whose original is lost say so; all else was restored.`)
  return 1
}
