// `npm run dev`: the server, restarting when src/ changes, and the page by Vite, updating as it is edited. Ctrl-C ends both.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createServer } from 'vite'

const root = join(import.meta.dirname, '..')
const stopped = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.abort())

// In a group of its own, so that Ctrl-C reaches it through us alone: a second signal would cut its work off.
const server = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--watch-path=src', 'src/cli.ts', 'serve'], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
  detached: true,
})
const serverEnded = once(server, 'exit')
process.on('exit', () => endGroup('SIGKILL'))

function endGroup(signal: NodeJS.Signals) {
  try {
    process.kill(-server.pid!, signal)
  } catch {
    // It is gone already.
  }
}

const page = await createServer({ configFile: join(root, 'web/vite.config.ts'), clearScreen: false })
try {
  await page.listen()
  console.log(`The page, updating as it is edited: ${page.resolvedUrls?.local[0]}`)
} catch (error) {
  console.error((error as Error).message)
  stopped.abort()
}

await Promise.race([serverEnded, new Promise((resolve) => stopped.signal.addEventListener('abort', resolve, { once: true }))])
endGroup('SIGTERM')
await Promise.all([page.close(), serverEnded])
process.exit()
