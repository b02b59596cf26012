// Writes `.env.example` from the table of settings: `npm run env-example`.
import { writeFileSync } from 'node:fs'
import { envExample } from '../src/config/help.ts'

writeFileSync(new URL('../.env.example', import.meta.url), envExample())
