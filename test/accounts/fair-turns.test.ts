// Turns at costly work: in rotation over addresses, and refused by the address that asks for too much.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFairTurns } from '../../src/accounts/limits/fair-turns.ts'

const LIMITS = { concurrency: 2, maxWaitingPerAddress: 20, maxWaiting: 30, retryAfterSeconds: 5 }

/** Work that ends when it is told to, in the order in which it began. */
function bench(options = LIMITS) {
  const inTurn = createFairTurns(options)
  const begun: { name: string; end(): void }[] = []
  let most = 0
  let running = 0
  const ask = (address: string, name = address) =>
    inTurn(address, async () => {
      most = Math.max(most, (running += 1))
      await new Promise<void>((resolve) => begun.push({ name, end: resolve }))
      running -= 1
      return name
    })
  /** Ends all that has begun and begins by it. */
  async function drain(): Promise<string[]> {
    for (let at = 0; ; at += 1) {
      await new Promise(setImmediate)
      const next = begun[at]
      if (next === undefined) return begun.map(({ name }) => name)
      next.end()
    }
  }
  return { ask, drain, most: () => most }
}

const asManyAs = (count: number, ask: (i: number) => Promise<string>) => Array.from({ length: count }, (_, i) => ask(i))
const codeOf = (settled: PromiseSettledResult<string>) => (settled.status === 'rejected' ? settled.reason.code : 'done')

test('an address that comes last waits for one of each other address, not for all they have', async () => {
  const { ask, drain, most } = bench()
  const all = [...asManyAs(10, (i) => ask('flood', `flood ${i}`)), ...asManyAs(2, (i) => ask('other', `other ${i}`)), ask('late')]
  assert.deepEqual((await drain()).slice(0, 8), ['flood 0', 'flood 1', 'flood 2', 'other 0', 'late', 'flood 3', 'other 1', 'flood 4'])
  assert.equal((await Promise.all(all)).length, 13)
  assert.equal(most(), 2)
})

test('an address with too much waiting is refused with the time to wait; others are not', async () => {
  const { ask, drain } = bench()
  const flood = asManyAs(25, () => ask('flood'))
  const other = ask('other')
  const settled = Promise.allSettled(flood)
  await drain()
  const codes = (await settled).map(codeOf)
  assert.deepEqual(codes, [...Array<string>(22).fill('done'), ...Array<string>(3).fill('overloaded')])
  await assert.rejects(flood[24]!, { retryAfterSeconds: 5 })
  assert.equal(await other, 'other')
})

test('when very many wait, the newest of the address with the most makes room', async () => {
  const { ask, drain } = bench()
  const flood = asManyAs(22, () => ask('flood'))
  const others = asManyAs(12, (i) => ask(`other ${i}`))
  const settled = Promise.allSettled(flood)
  await drain()
  assert.deepEqual(
    await Promise.all(others),
    Array.from({ length: 12 }, (_, i) => `other ${i}`),
  )
  assert.deepEqual((await settled).map(codeOf), [...Array<string>(20).fill('done'), 'overloaded', 'overloaded'])
})

test('when very many wait and none has more, the one that comes is refused', async () => {
  const { ask, drain } = bench()
  const all = Promise.allSettled(asManyAs(33, (i) => ask(`address ${i}`)))
  await drain()
  assert.deepEqual((await all).map(codeOf), [...Array<string>(32).fill('done'), 'overloaded'])
})

test('work that fails gives its turn on', async () => {
  const inTurn = createFairTurns({ ...LIMITS, concurrency: 1 })
  const failing = inTurn('a', async () => Promise.reject(new Error('it failed')))
  const next = inTurn('b', async () => 'done')
  await assert.rejects(failing, /it failed/)
  assert.equal(await next, 'done')
})
