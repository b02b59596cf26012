// `npm run build`: the web app into web/dist. Built aside and then put in place, so that a server that runs always has a whole one.
import { mkdtempSync, renameSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vite'

const web = join(import.meta.dirname, '../web')
const startedAt = new Date()
const aside = mkdtempSync(join(web, '.building-'))
const built = join(aside, 'dist')
const former = join(aside, 'former')

try {
  await build({ configFile: join(web, 'vite.config.ts'), logLevel: 'warn', build: { outDir: built } })
  // What is edited during the build is newer than it: bin/run asks.
  utimesSync(join(built, 'index.html'), startedAt, startedAt)
  const dist = join(web, 'dist')
  try {
    renameSync(dist, former)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  renameSync(built, dist)
} finally {
  rmSync(aside, { recursive: true, force: true })
}
