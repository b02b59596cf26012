// `npm run check [NAME…]`: every check that needs no running server; all of them run, whatever the first one finds.
import { spawnSync } from 'node:child_process'

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
const failed = names.filter((name) => {
  const command = CHECKS[name]
  if (!command) throw new Error(`There is no check "${name}"; there are ${Object.keys(CHECKS).join(', ')}.`)
  console.log(`check ${name}: ${command.join(' ')}`)
  const [file = '', ...args] = command
  return spawnSync(process.execPath, [`node_modules/${file}`, ...args], { stdio: 'inherit' }).status !== 0
})
console.log(failed.length === 0 ? `All checks passed: ${names.join(', ')}.` : `Checks failed: ${failed.join(', ')}.`)
process.exitCode = failed.length === 0 ? 0 : 1
