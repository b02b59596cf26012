// A store that fails, slows down, falls silent, cuts bodies off and damages them, behind a whole Calotype: slower, never wrong.
import { test } from 'node:test'
import { sendAll } from '../cluster/ledger.ts'
import { ROUNDS } from '../support/long-form.ts'
import { randomFrom } from '../support/inputs/random.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { startFaultyS3, type FaultyS3 } from '../support/engines/faulty-s3.ts'
import type { Fault } from '../support/engines/fault-proxy.ts'
import { assertWell, settle } from './run/figures.ts'
import { onEachTopology } from './run/subject.ts'

const FILES = ROUNDS === null ? 24 : 90
/** Of the requests: so many fail, each in its own way. */
const SHARE = 0.25

const FAULTS: Fault[] = [
  { status: 500, code: 'InternalError' },
  { status: 503, code: 'SlowDown' },
  { status: 400, code: 'BadDigest' },
  'lose the answer',
  { cutBodyAfter: 100 },
  'damage the request',
  'damage the answer',
]

onEachTopology(
  (topology, open) => {
    test(`one request in ${1 / SHARE} to the store fails`, { timeout: 600_000 }, async (t) => {
      const s3: FaultyS3 = await startFaultyS3()
      t.after(() => s3.stop())
      const { proxy } = s3
      const env = {
        S3_ENDPOINT: s3.settings.endpoint,
        S3_BUCKET: await s3.addBucket(),
        S3_REGION: s3.settings.region,
        S3_ACCESS_KEY_ID: s3.settings.accessKeyId,
        S3_SECRET_ACCESS_KEY: s3.settings.secretAccessKey,
      }
      await using subject = await open({ env })
      const random = randomFrom(7)
      const met = new Map<string, number>()
      proxy.fault = ({ method }) => {
        if (random() > SHARE) return null
        // What is not sent can't be damaged.
        const possible = FAULTS.filter((fault) => fault !== 'damage the request' || method === 'PUT')
        const fault = possible[Math.floor(random() * possible.length)]!
        const name = typeof fault === 'string' ? fault : Object.values(fault).join(' ')
        met.set(name, (met.get(name) ?? 0) + 1)
        return fault
      }
      const files = (await smallPhotographs(FILES)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
      await sendAll(subject, files, subject.ledger)
      proxy.fault = () => null
      t.diagnostic([...met].map(([what, count]) => `${what} x ${count}`).join(', '))
      assertWell(t, 'S3 faults', topology, await settle(subject, { sent: FILES }))
    })
  },
  ROUNDS === null ? ['embedded'] : ['embedded', 'cluster'],
)
