// Ids: in the order they were made, and none that tells its neighbours.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '../../src/new-id.ts'

const IDS = 20_000
const RANDOM_BITS = 62
/** A bit that is random differs between neighbours in half of the pairs; six standard deviations of 20,000 are 2.1 %. */
const MAX_DEVIATION = 0.03

const toBits = (id: string) => BigInt(`0x${id.replaceAll('-', '')}`)

test('ids are UUIDs of version 7, each greater than the one before', () => {
  const before = Date.now()
  const ids = Array.from({ length: IDS }, newId)
  assert.deepEqual(ids.toSorted(), ids)
  assert.equal(new Set(ids).size, IDS)
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  const ms = Number(toBits(ids[0]!) >> 80n)
  assert.ok(ms >= before - 1_000 && ms <= Date.now() + 1_000, `${ms}`)
})

test('the 62 low bits of neighbours have nothing to do with each other', () => {
  const bits = Array.from({ length: IDS }, () => toBits(newId()))
  for (let bit = 0n; bit < RANDOM_BITS; bit++) {
    const changes = bits.filter((id, at) => at > 0 && ((id ^ bits[at - 1]!) >> bit) & 1n).length
    const share = changes / (IDS - 1)
    assert.ok(Math.abs(share - 0.5) < MAX_DEVIATION, `bit ${bit} differs in ${(share * 100).toFixed(1)} % of neighbours`)
  }
})
