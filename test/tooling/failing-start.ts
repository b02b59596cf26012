// A server that starts, for start-failures.test.ts: with settings of the environment, and those of `OVERRIDES` (JSON) beyond what is allowed
// there. Says why it fails, and ends when nothing holds it open any more.
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'

try {
  await createApp({ ...readConfig(), ...(JSON.parse(process.env['OVERRIDES'] ?? '{}') as object) }, createLog('silent'))
  console.log('started')
} catch (error) {
  console.log((error as Error).message)
}
