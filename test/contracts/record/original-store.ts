// What every store of originals guarantees; run on each database.
import assert from 'node:assert/strict'
import { all, develop, hashOf, OPERATIONS, recordsTests, take, upload, type Open } from './records.ts'

const hashesOf = (originals: { sha256: string }[]) => originals.map(({ sha256 }) => sha256)

export function originalStoreContract(open: Open): void {
  const recordsTest = recordsTests(open)

  recordsTest('bytes are collected after their last image and the grace, and not while they are developed', async (records) => {
    const [one, two] = await upload(records, 'shared', 'shared')
    await take(records, 'shared')
    assert.equal((await records.images.delete(one!.id, null))?.id, one!.id)
    assert.equal(await records.images.delete(one!.id, null), null)
    assert.deepEqual(await records.originals.collectable(0, 10), [])
    await records.images.delete(two!.id, null)
    assert.deepEqual(await records.originals.collectable(0, 10), [], 'still being developed')
    assert.equal((await records.work.reclaim(true)).length, 0, 'nobody waits for it')
    assert.deepEqual(await records.originals.collectable(60_000, 10), [], 'within the grace')
    const [released] = await records.originals.collectable(0, 10)
    assert.ok(released && Math.abs(released.releasedAt - Date.now()) < 60_000)
    const { releasedAt, ...what } = released
    assert.deepEqual({ ...what, operations: what.operations.toSorted() }, { sha256: one!.sha256, size: one!.size, operations: OPERATIONS })
    assert.deepEqual(await records.originals.known([one!.sha256]), new Map([[one!.sha256, releasedAt]]))
    await records.originals.keep([one!.sha256])
    await upload(records, 'shared')
    assert.deepEqual(await records.originals.known([one!.sha256]), new Map([[one!.sha256, null]]), 'what is kept can be taken up again')
    for (const { id } of await all(records)) await records.images.delete(id, null)
    await records.originals.collectable(0, 10)
    await assert.rejects(upload(records, 'shared'), { code: 'overloaded' })
    await records.originals.forget([one!.sha256])
    assert.deepEqual(await records.originals.known([one!.sha256]), new Map())
    const [again] = await upload(records, 'shared')
    assert.equal(again?.status, 'pending')
    assert.equal(await records.batches.get(one!.batchId, null), null, 'a batch goes with its last image')
  })

  recordsTest('an upload of released bytes takes them back', async (records) => {
    const [first] = await upload(records, 'back')
    await develop(records, 'back')
    await records.images.delete(first!.id, null)
    const [second] = await upload(records, 'back')
    assert.equal(second?.status, 'completed')
    assert.deepEqual(await records.originals.collectable(0, 10), [])
  })

  recordsTest('bytes that are uploaded while their last image is deleted stay', async (records) => {
    for (let round = 0; round < 25; round++) {
      const contents = ['a', 'b', 'c', 'd'].map((letter) => `${letter}${round}`)
      const last = await upload(records, ...contents)
      const [again] = await Promise.all([
        upload(records, ...contents.toReversed()),
        ...last.map(({ id }) => records.images.delete(id, null)),
      ])
      assert.deepEqual(await records.originals.collectable(0, 10), [])
      await Promise.all(again.map(({ id }) => records.images.delete(id, null)))
      await records.originals.forget((await records.originals.collectable(0, 10)).map(({ sha256 }) => sha256))
    }
  })

  recordsTest('bytes that were stored but not recorded can be released', async (records) => {
    const [used] = await upload(records, 'used')
    await records.originals.release([used!, { sha256: hashOf('never recorded'), size: 5 }])
    assert.deepEqual(hashesOf(await records.originals.collectable(0, 10)), [hashOf('never recorded')])
  })

  recordsTest('bytes that are about to be stored are left alone until they are recorded or released', async (records) => {
    const [used] = await upload(records, 'used')
    const [lost, kept] = [
      { sha256: hashOf('lost'), size: 5 },
      { sha256: hashOf('kept'), size: 6 },
    ]
    await Promise.all([records.originals.expect([lost, kept]), records.originals.expect([kept, used!])])
    assert.deepEqual(await records.originals.collectable(0, 10), [])
    await records.originals.release([lost, used!])
    assert.deepEqual(hashesOf(await records.originals.collectable(0, 10)), [lost.sha256])
  })

  recordsTest('every original has a row before its bytes are stored, and says when', async (records) => {
    const [used] = await upload(records, 'used')
    const coming = { sha256: hashOf('coming'), size: 6 }
    const before = Date.now()
    const expectedAt = await records.originals.expect([used!, coming])
    assert.ok(Number.isInteger(expectedAt) && expectedAt >= before && expectedAt <= Date.now())
    const known = await records.originals.known([used!.sha256, coming.sha256, hashOf('unknown')])
    assert.deepEqual([...known.keys()].sort(), [used!.sha256, coming.sha256].sort())
    assert.equal(known.get(used!.sha256), null)
    assert.ok(known.get(coming.sha256)! > expectedAt, 'its release is still to come')
    await records.originals.giveUpExpected()
    assert.deepEqual(hashesOf(await records.originals.collectable(0, 10)), [coming.sha256], 'after a crash nothing is on its way')
  })

  recordsTest('bytes that wait to be collected are not, once they are about to be stored again', async (records) => {
    const [gone] = await upload(records, 'again')
    await records.images.delete(gone!.id, null)
    await Promise.all([records.originals.expect([gone!]), records.originals.expect([gone!, { sha256: hashOf('new'), size: 3 }])])
    assert.deepEqual(await records.originals.collectable(0, 10), [], 'its bytes may be on their way')
    const [again] = await upload(records, 'again')
    await records.images.delete(again!.id, null)
    await records.originals.expect([again!])
    await records.originals.release([again!])
    const going = (await records.originals.collectable(0, 10)).map(({ sha256 }) => sha256)
    assert.deepEqual(going, [again!.sha256], 'nothing came of it')

    await assert.rejects(records.originals.expect([again!]), { code: 'overloaded' })
    await records.originals.expect([{ sha256: hashOf('other'), size: 5 }])
    await records.originals.forget(going)
    await records.originals.expect([again!])
    assert.equal((await upload(records, 'again')).length, 1)
  })
}
