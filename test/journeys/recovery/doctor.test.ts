// Real damage to bytes and rows: the doctor finds each beside running servers and without, mends it, and finds nothing the next time.
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { ApiError } from '../../../src/api/errors.ts'
import type { ApiImage } from '../../../src/api/images.ts'
import { originalKey, renditionKey } from '../../../src/rendition/keys.ts'
import { allFinal, ask, eventually, listImages, upload } from '../../support/clients/client.ts'
import { doctor, calotype as command } from '../../support/servers/command.ts'
import { audit, change } from '../../support/servers/data-dir.ts'
import { smallPhotographs } from '../../support/inputs/photographs.ts'
import { operationFor } from '../../support/inputs/sample-image.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const thumbnailOf = (sha256: string) => renditionKey(sha256, operationFor('thumbnail'))
const LONG_AGO = new Date(Date.now() - 3 * 60 * 60 * 1000)

// Files that are small enough for the disk of any machine to have room for them.
onEachTopology({ LOG_LEVEL: 'error', BLOB_GRACE_SECONDS: '3600', MAX_FILE_BYTES: '1000000' }, (calotype) => {
  let seed = 0
  const at = (key: string) => join(calotype.dataDir, key)

  /** Developed images, each with its bytes and the keys of what is kept of it. */
  async function developed(count: number) {
    const photographs = await smallPhotographs(count, { seed: (seed += 100) })
    const { body } = await upload(
      calotype,
      'batch',
      photographs.map((bytes, index) => ({ name: `${seed}-${index}.jpg`, bytes })),
    )
    await allFinal(calotype)
    return body.images.map(({ id }, index) => {
      const bytes = photographs[index]!
      const sha256 = hashOf(bytes)
      return {
        id,
        bytes,
        sha256,
        original: originalKey(sha256),
        rendition: renditionKey(sha256, operationFor('image')),
        thumbnail: thumbnailOf(sha256),
      }
    })
  }
  const image = async (id: string) => (await ask<ApiImage>(calotype, `/api/images/${id}`)).body

  /** A file that nobody knows. */
  async function stray(key: string, modifiedAt: Date) {
    await mkdir(dirname(at(key)), { recursive: true })
    await writeFile(at(key), 'nobody knows these bytes')
    await utimes(at(key), modifiedAt, modifiedAt)
    return key
  }

  test('where all is well, it says so, beside running servers', async () => {
    await developed(3)
    const { code, findings, summary } = await doctor(calotype.env, '--url', calotype.url)
    assert.deepEqual(findings, [])
    assert.equal(code, 0)
    assert.deepEqual([summary.originals, summary.hashed], [3, 3])
    assert.equal((await doctor(calotype.env, '--sample', '2')).summary.hashed, 2)
    const { stdout } = await command(['doctor', '--sample', '0'], calotype.env)
    assert.match(stdout, /read 0 of them whole\.\nAll is well\.\n$/)
  })

  test('finds every damage, changes nothing; --repair mends it; then all is well', async () => {
    type Kept = Awaited<ReturnType<typeof developed>>[number]
    const kept = (await developed(7)) as [Kept, Kept, Kept, Kept, Kept, Kept, Kept]
    const [whole, noRendition, shortThumbnail, flipped, short, missing, tangled] = kept
    await rm(at(noRendition.rendition))
    await truncate(at(shortThumbnail.thumbnail), 10)
    const bytes = await readFile(at(flipped.original))
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(at(flipped.original), bytes)
    await truncate(at(short.original), 1000)
    await rm(at(missing.original))
    const unknown = hashOf(Buffer.from(randomUUID()))
    const unknownOriginal = await stray(originalKey(unknown), LONG_AGO)
    const orphanThumbnail = await stray(thumbnailOf(unknown), LONG_AGO)
    const young = await stray(thumbnailOf(hashOf(Buffer.from(randomUUID()))), new Date())
    const notOurs = await stray('originals/00/README', LONG_AGO)
    const temporary = await stray(`tmp/${randomUUID()}`, LONG_AGO)
    await change(calotype, `update images set status = 'processing' where id = '${tangled.id}'`)
    await change(calotype, `insert into image_counts (owner_id, status, code, images, bytes) values ('nobody', 'completed', '', 7, 0)`)

    const expected = [
      ['rows_disagree', undefined],
      ['counts_differ', undefined],
      ['temporary_file', at(temporary)],
      ['rendition_missing', noRendition.rendition],
      ['rendition_missing', shortThumbnail.thumbnail],
      ['original_damaged', flipped.original],
      ['original_damaged', short.original],
      ['original_missing', missing.original],
      ['unknown_original', unknownOriginal],
      ['deletion_halted', undefined],
      ['orphan', orphanThumbnail],
    ]
    const sorted = (pairs: unknown[][]) => pairs.map((pair) => JSON.stringify(pair)).sort()
    const found = await doctor(calotype.env)
    assert.equal(found.code, 1)
    assert.deepEqual(sorted(found.findings.map(({ code, about }) => [code, about])), sorted(expected))
    assert.ok(found.findings.every(({ mended, remedy, what }) => !mended && remedy.endsWith('.') && what.length > 20))
    assert.equal(found.summary.young, 1)
    assert.equal((await image(missing.id)).status, 'completed', 'changed by looking')

    const { code, stdout } = await command(['doctor'], calotype.env)
    assert.equal(code, 1)
    assert.match(stdout, new RegExp(`An original is missing: ${missing.original}\n +Its images are marked as failed`))
    assert.match(stdout, /such as images of nobody, completed: 7 are kept, and there are 0\.\n +They are counted anew/)
    assert.match(stdout, /11 findings: .*; nothing was changed \(--repair mends\)\.\n$/)

    const mended = await doctor(calotype.env, '--repair')
    assert.deepEqual([mended.code, mended.summary.findings, mended.summary.unmended], [1, 11, 3])
    const left = mended.findings.filter((finding) => !finding.mended).map((finding) => finding.code)
    assert.deepEqual(left.sort(), ['deletion_halted', 'orphan', 'unknown_original'], 'no row is no reason to delete')
    await doctor(calotype.env, '--repair', '--delete-unknown', '--yes')
    await eventually('they are developed again', async () => (await image(noRendition.id)).status === 'completed', 60_000)
    await allFinal(calotype)
    const again = await doctor(calotype.env)
    assert.deepEqual(again.findings, [])
    assert.deepEqual([again.code, again.summary.knownLost], [0, 3])

    for (const { id } of [whole, noRendition, shortThumbnail, tangled]) assert.equal((await image(id)).status, 'completed')
    for (const { id } of [flipped, short])
      assert.deepEqual([(await image(id)).status, (await image(id)).code], ['error', 'original_damaged'])
    assert.deepEqual([(await image(missing.id)).status, (await image(missing.id)).code], ['error', 'original_missing'])
    const { rowsWithoutBytes, bytesWithoutRows, temporary: temporaryLeft } = await audit(calotype)
    assert.deepEqual(rowsWithoutBytes.sort(), [flipped, short, missing].map(({ original }) => original).sort())
    assert.deepEqual(
      bytesWithoutRows.filter((key) => key === young || key.startsWith('originals')),
      [notOurs],
    )
    assert.ok(!temporaryLeft.includes(temporary))

    // Damaged bytes might be developed, into a picture that nobody sent.
    const refused = await ask<ApiError>(calotype, `/api/images/${flipped.id}/retry`, { method: 'POST' })
    assert.deepEqual([refused.status, refused.body.code], [409, 'not_retryable'])
    assert.match(refused.body.error, /Upload the file again/)
    // The same bytes again heal all that was lost with them, by an upload or from a backup.
    await upload(calotype, 'async', [{ name: 'again.jpg', bytes: flipped.bytes }])
    await writeFile(at(missing.original), missing.bytes)
    await writeFile(at(short.original), short.bytes)
    const back = await doctor(calotype.env, '--repair')
    assert.deepEqual(back.findings.map(({ code }) => code).sort(), ['original_back', 'original_back'])
    await eventually('all are healed', async () => (await listImages(calotype)).every(({ status }) => status === 'completed'), 60_000)
    await rm(at(notOurs))
    assert.equal((await doctor(calotype.env)).code, 0)
    assert.deepEqual((await audit(calotype)).rowsWithoutBytes, [])
  })

  test('works without a server, and finds what only one that runs puts right', async () => {
    const [stuck, noRendition] = await developed(2)
    await calotype.shutDown()
    await rm(at(noRendition!.rendition))
    await change(
      calotype,
      `update originals set status = 'processing', lease_token = 'dead', lease_until = 1 where sha256 = '${stuck!.sha256}'`,
    )
    await change(calotype, `update renditions set status = 'pending', bytes = null where sha256 = '${stuck!.sha256}'`)
    await change(calotype, `update images set status = 'processing', finished_at = null where id = '${stuck!.id}'`)
    const batch = randomUUID()
    await change(calotype, `insert into batches (id, kind, created_at, rejected, lease_until) values ('${batch}', 'batch', 1, '[]', 1)`)
    const { code, findings } = await doctor(calotype.env)
    assert.equal(code, 1)
    assert.deepEqual(findings.map((finding) => finding.code).sort(), ['arriving_for_ever', 'lease_gone', 'rendition_missing'])
    assert.equal((await doctor(calotype.env, '--repair')).summary.unmended, 0)
    assert.deepEqual((await doctor(calotype.env)).findings, [])
    await calotype.startAgain()
    const images = await allFinal(calotype)
    assert.ok(images.every(({ status }) => status === 'completed'))
    assert.equal((await doctor(calotype.env)).code, 0)
  })
})
