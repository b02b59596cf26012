// A worker whose clock is an hour off, either way: leases go by the clock of the database, so that nothing is taken early nor kept for an hour.
import assert from 'node:assert/strict'
import { existsSync, globSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { sendUnit } from '../cluster/ledger.ts'
import { allFinal, eventually } from '../support/clients/client.ts'
import { query } from '../support/servers/data-dir.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { assertWell, settle } from './run/figures.ts'
import { onEachTopology } from './run/subject.ts'

const HOUR_S = 3_600
const FILES = 20
/** As in flow/develop/process-images.ts. */
const LEASE_MS = 6_000
/** Lease and sweeps of one that died, and the rest of the work, on a machine with other work. */
const TAKEN_OVER_MS = 90_000

function preload(): string {
  const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1')
  if (library === undefined) throw new Error('There is no libfaketime. Install it: sudo apt-get install -y faketime')
  return library
}

onEachTopology(
  (topology, open) => {
    for (const sign of ['+', '-']) {
      test(`${sign}1 h on a worker, which dies with work in hand`, { timeout: 180_000 }, async (t) => {
        const worker = { LD_PRELOAD: preload(), FAKETIME: `${sign}${HOUR_S}`, FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' }
        await using subject = await open({ envOf: { worker } })
        const said = (await fetch(`${subject.worker!.url}/healthz`)).headers.get('date')!
        const offS = (Date.parse(said) - Date.now()) / 1000
        assert.ok(Math.abs(offS - Number(`${sign}${HOUR_S}`)) < 60, `its clock is ${offS} s off`)

        writeFileSync(subject.failpoint, 'original-at-hand 5')
        const files = (await smallPhotographs(FILES)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
        await sendUnit(subject, { endpoint: 'batch', files }, subject.ledger)
        await eventually('it died', async () => existsSync(`${subject.failpoint}.fired`), 30_000)
        const leases = await query<{ left_ms: number }>(
          subject,
          "select lease_until - cast(extract(epoch from clock_timestamp()) * 1000 as bigint) as left_ms from originals where status = 'processing'",
        )
        assert.ok(leases.length > 0, 'it had work in hand')
        for (const { left_ms } of leases) assert.ok(left_ms <= LEASE_MS, `a lease for ${left_ms} ms`)
        const diedAt = performance.now()
        await subject.revive()
        await allFinal(subject, TAKEN_OVER_MS)
        t.diagnostic(`taken over ${Math.round(performance.now() - diedAt)} ms after its death`)
        assertWell(t, `clock of a worker ${sign}1 h`, topology, await settle(subject, { sent: FILES }))
      })
    }
  },
  ['cluster'],
)
