// `npm run env`: passwords for compose.yml, made by chance, into .env.
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

const hex = (bytes: number) => randomBytes(bytes).toString('hex')

/** Every variable that compose.yml insists on, and how it is made. None is a setting of Calotype itself, whose .env this is too. */
const SECRETS: Record<string, () => string> = {
  POSTGRES_PASSWORD: () => hex(24),
  REDIS_PASSWORD: () => hex(24),
  // The form that Garage wants of its keys.
  STORE_ACCESS_KEY: () => `GK${hex(16)}`,
  STORE_SECRET_KEY: () => hex(32),
  STORE_RPC_SECRET: () => hex(32),
}

const path = resolve(process.argv[2] ?? '.env')
const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
// One that is there stays: the volumes were made with it.
const missing = Object.keys(SECRETS).filter((name) => !new RegExp(`^\\s*(export\\s+)?${name}\\s*=\\s*\\S`, 'm').test(before))

if (missing.length === 0) {
  console.log(`${path} has every password already; nothing was changed.`)
} else {
  const lines = missing.map((name) => `${name}=${SECRETS[name]!()}\n`)
  const gap = before === '' || before.endsWith('\n') ? '' : '\n'
  const head = before === '' ? '' : `${before}${gap}\n`
  // In one step: never half a file.
  writeFileSync(
    `${path}.new`,
    `${head}# Passwords of compose.yml. Keep them with your backups; the volumes were made with them.\n${lines.join('')}`,
    { mode: 0o600 },
  )
  renameSync(`${path}.new`, path)
  console.log(`wrote ${missing.join(', ')} to ${path}, which only you may read`)
}
