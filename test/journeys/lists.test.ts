// Lists, search, retry: what a program asks of the images that are there.
import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { before, describe, test } from 'node:test'
import type { ApiImage } from '../../src/api/images.ts'
import { allFinal, type Answer, ask, eventually, listImages, type SentFile, upload } from '../support/clients/client.ts'
import { photograph, smallPhotograph } from '../support/inputs/photographs.ts'
import { onEachTopology } from '../support/servers/topologies.ts'

onEachTopology({}, (server) => {
  let all: ApiImage[]
  let batches: string[]

  before(async () => {
    const damaged = (await smallPhotograph({ seed: 1 })).subarray(0, 5_000)
    const picture = async (name: string, seed: number, format: 'jpeg' | 'png' | 'webp' | 'avif' | 'gif'): Promise<SentFile> => ({
      name,
      bytes: await photograph({ seed, megapixels: 0.01 + 0.002 * (seed % 5), format }),
    })
    const first = await Promise.all([
      picture('Apple.jpg', 1, 'jpeg'),
      picture('apple pie.png', 2, 'png'),
      picture('100%.webp', 3, 'webp'),
      picture('1000.avif', 4, 'avif'),
      picture('under_score.gif', 5, 'gif'),
      picture('ÜBUNG.jpg', 6, 'jpeg'),
    ])
    const second = await Promise.all([picture('pineAPPLE.jpg', 7, 'jpeg'), picture('same.png', 8, 'png'), picture('same.png', 9, 'png')])
    const answers = [
      await upload(server, 'batch', [...first, { name: 'broken.jpg', bytes: damaged }]),
      await upload(server, 'async', [...second, second[1]]),
    ]
    batches = answers.map(({ body }) => body.job_id)
    all = await allFinal(server)
    assert.equal(all.length, 11)
  })
  const next = (headers: IncomingHttpHeaders) => /^<([^>]+)>; rel="next"$/.exec(String(headers['link'] ?? ''))?.[1]

  /** Follows the pages to the last. */
  async function follow(first: string): Promise<{ images: ApiImage[]; pages: number }> {
    const images: ApiImage[] = []
    let pages = 0
    for (let path: string | undefined = first; path; pages++) {
      const { status, headers, body, text }: Answer<ApiImage[]> = await ask(server, path)
      assert.equal(status, 200, text)
      images.push(...body)
      path = next(headers)
    }
    return { images, pages }
  }

  const names = (images: ApiImage[]) => images.map(({ name }) => name).sort()
  const search = async (query: Record<string, string>) => names((await follow(`/api/images?${new URLSearchParams(query)}`)).images)

  describe('pages', () => {
    test('/api/list is whole and newest first, and by pages the same', async () => {
      assert.deepEqual(
        all,
        all.toSorted((a, b) => (a.uploaded_at === b.uploaded_at ? (a.id < b.id ? 1 : -1) : a.uploaded_at < b.uploaded_at ? 1 : -1)),
      )
      assert.deepEqual(await follow('/api/list?limit=4'), { images: all, pages: 3 })
      assert.deepEqual(await follow('/api/list?limit=11'), { images: all, pages: 1 })
    })

    const compare: Record<string, (a: ApiImage, b: ApiImage) => number> = {
      newest: (a, b) => Date.parse(b.uploaded_at) - Date.parse(a.uploaded_at),
      oldest: (a, b) => Date.parse(a.uploaded_at) - Date.parse(b.uploaded_at),
      name: (a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
      '-name': (a, b) => Buffer.compare(Buffer.from(b.name), Buffer.from(a.name)),
      size: (a, b) => a.size - b.size,
      '-size': (a, b) => b.size - a.size,
    }
    for (const [sort, order] of Object.entries(compare)) {
      test(`sorted by ${sort}, page after page, equal ones too`, async () => {
        for (const limit of [1, 2, 3, 100]) {
          const { images } = await follow(`/api/images?sort=${sort}&limit=${limit}`)
          assert.equal(new Set(images.map(({ id }) => id)).size, 11)
          assert.equal(images.length, 11)
          for (const [index, image] of images.slice(1).entries()) assert.ok(order(images[index]!, image) <= 0, `${sort}: ${image.name}`)
        }
      })
    }

    test('a cursor or a question that makes no sense', async () => {
      const cursor = (await ask(server, '/api/images?sort=size&limit=1')).headers.link as string
      const ofSizes = /cursor=([^>&]+)/.exec(cursor)![1]!
      for (const path of [
        '/api/list?cursor=nonsense',
        '/api/list?cursor=W10',
        '/api/list?cursor=bnVsbA',
        // What PostgreSQL would not take: a fraction, too large a number, NUL in a text; and what is none of a list's at all.
        ...['n1.5\0sx', 'n1e300\0sx', 'n9999999999999999\0sx', 'n1\0s\0', 'n1', '[1,"x"]', 's1\0sx'].flatMap((text) => {
          const strange = Buffer.from(text).toString('base64url')
          return [`/api/images?cursor=${strange}`, `/api/batches?cursor=${strange}`]
        }),
        `/api/images?sort=name&cursor=${ofSizes}`,
        '/api/list?limit=0',
        '/api/list?limit=1001',
        '/api/list?limit=many',
        '/api/images?sort=colour',
        '/api/images?status=lost',
        '/api/images?format=bmp',
        '/api/images?batch=1',
      ]) {
        const { status, body, text } = await ask<{ code: string }>(server, path)
        assert.deepEqual([status, body.code], [400, 'bad_request'], `${path}: ${text}`)
      }
    })
  })

  describe('search', () => {
    test('a part of a name, in any case', async () => {
      assert.deepEqual(await search({ q: 'aPPle' }), ['Apple.jpg', 'apple pie.png', 'pineAPPLE.jpg'].sort())
      assert.deepEqual(await search({ q: 'nothing like it' }), [])
    })

    test('letters beyond ASCII', async () => {
      assert.deepEqual(await search({ q: 'ÜBUNG' }), ['ÜBUNG.jpg'])
    })

    test('what means something in SQL is only a letter', async () => {
      assert.deepEqual(await search({ q: '100%' }), ['100%.webp'])
      assert.deepEqual(await search({ q: 'r_s' }), ['under_score.gif'])
      assert.deepEqual(await search({ q: "'; drop table images; --" }), [])
      assert.deepEqual(await search({ q: '\\' }), [])
    })

    test('by status, format and batch, also together and by pages', async () => {
      assert.deepEqual(await search({ status: 'error' }), ['broken.jpg'])
      assert.equal((await search({ status: 'completed', limit: '3' })).length, 10)
      assert.deepEqual(await search({ status: 'pending' }), [])
      assert.deepEqual(await search({ format: 'png' }), ['apple pie.png', 'same.png', 'same.png', 'same.png'])
      assert.equal((await search({ batch: batches[0]!, limit: '2' })).length, 7)
      assert.deepEqual(await search({ batch: batches[1]!, format: 'png', q: 'SAME', sort: '-size', limit: '1' }), [
        'same.png',
        'same.png',
        'same.png',
      ])
    })
  })

  describe('retry', () => {
    const retry = (id: string) => ask<ApiImage & { code: string }>(server, `/api/images/${id}/retry`, { method: 'POST' })

    test('an image that failed is tried again', async () => {
      const failed = all.find(({ status }) => status === 'error')!
      const { status, body } = await retry(failed.id)
      assert.deepEqual([status, body.id, body.status, body.code, body.finished_at], [202, failed.id, 'pending', null, null])
      const again = await eventually('it failed again', async () => {
        const now = (await ask<ApiImage>(server, `/api/images/${failed.id}`)).body
        return now.status === 'error' && now
      })
      assert.equal(again.code, 'invalid_image')
      assert.ok(Date.parse(again.finished_at!) > Date.parse(failed.finished_at!))
    })

    test('one that did not fail is not', async () => {
      const { status, body } = await retry(all.find((image) => image.status === 'completed')!.id)
      assert.deepEqual([status, body.code], [409, 'not_retryable'])
    })

    test('one that is not there is not', async () => {
      for (const id of ['11111111-2222-4333-8444-555555555555', 'nonsense']) assert.equal((await retry(id)).status, 404)
      assert.equal((await listImages(server)).length, 11)
    })
  })
})
