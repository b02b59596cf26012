// `npm run check [NAME…]`: every check that needs no running server; all of them run, whatever the first one finds, one for each core at once.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'

const CHECKS: Record<string, string[]> = {
  format: ['prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'],
  lint: ['eslint/bin/eslint.js', '--max-warnings=0', '.'],
  types: ['typescript/bin/tsc', '-p', '.'],
  // Functions that these tests hand to the browser know its globals, which nothing else on this side does.
  'types-browser': ['typescript/bin/tsc', '-p', 'test/browser'],
  page: ['svelte-check/bin/svelte-check', '--workspace', 'web', '--tsconfig', 'src/tsconfig.json', '--fail-on-warnings'],
  deps: [
    'dependency-cruiser/bin/dependency-cruiser.mjs',
    '--config',
    '.dependency-cruiser.cjs',
    'src',
    'bench',
    'scripts',
    'test',
    'web/src',
  ],
  unused: ['knip/bin/knip.js'],
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(CHECKS)
const failed: string[] = []

/** What it says comes as a whole, when it is done: others run beside it. */
async function check(name: string): Promise<void> {
  const command = CHECKS[name]
  if (!command) throw new Error(`There is no check "${name}"; there are ${Object.keys(CHECKS).join(', ')}.`)
  const [file = '', ...args] = command
  const child = spawn(process.execPath, [`node_modules/${file}`, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code] = await once(child, 'close')
  console.log(`check ${name}: ${command.join(' ')}\n${said}`.trimEnd())
  if (code !== 0) failed.push(name)
}

const waiting = names.values()
async function work(): Promise<void> {
  for (const name of waiting) await check(name)
}
await Promise.all(Array.from({ length: availableParallelism() }, work))
console.log(failed.length === 0 ? `All checks passed: ${names.join(', ')}.` : `Checks failed: ${failed.join(', ')}.`)
process.exitCode = failed.length === 0 ? 0 : 1
