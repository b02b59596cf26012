// The table of settings as text: for `--help`, and as `.env.example`.
import { SETTINGS } from './settings.ts'

/** Every setting with its default and its line of help, for `--help`. */
export function settingsHelp(): string {
  const rows = Object.values(SETTINGS)
  const width = Math.max(...rows.map(({ name }) => name.length))
  const lines = rows.map(({ name, shown, help }) => `  ${name.padEnd(width)}  ${help} Default: ${shown}.`)
  return ['Settings, from the environment or from .env in the clone (the environment wins):', ...lines].join('\n')
}

/** The text of `.env.example`: every setting, at its default, ready to be uncommented. */
export function envExample(): string {
  const head = '# Copy to .env and uncomment what you change. The environment wins over this file.\n'
  const rows = Object.values(SETTINGS).map(
    ({ name, default: fixed, shown, help }) => `\n# ${help} Default: ${shown}.\n# ${name}=${fixed}\n`,
  )
  return head + rows.join('')
}
