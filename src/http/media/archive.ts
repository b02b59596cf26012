// The originals of many images as one ZIP archive, streamed while it is made.
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { seesOf, type Owner } from '../../access.ts'
import { CalotypeError } from '../../errors.ts'
import { readOriginals, type Original, type ReadOriginalsDeps, type Selection } from '../../flow/images/read-originals.ts'
import { createArchiveNames } from './archive-names.ts'
import { drainRefused } from '../hooks/drain-refused.ts'
import { defined, imageFilter, imageSort } from '../wire/image-filter.ts'
import { listOf } from '../wire/list-of.ts'
import { zip, type ZipFile } from './zip.ts'

const MAX_IDS = 100_000
// `id=`, a UUID and `&`, and some room for line ends.
const MAX_FORM_BYTES = MAX_IDS * 41

// One alone in a query is no list yet.
const ids = z.preprocess((value) => (typeof value === 'string' ? [value] : value), listOf(z.uuid(), MAX_IDS, 'Expected ids of images', 1))
const archiveQuery = z
  .object({ ...imageFilter, ...imageSort, id: ids.optional() })
  .refine(({ id, q, status, format, batch }) => id === undefined || [q, status, format, batch].every((one) => one === undefined), {
    message: 'Send either ids or a filter',
    path: ['id'],
  })
// Beside the ids, what a page may send along.
const MAX_OTHER_FIELDS = 100

/**
 * No more is looked at than there may be: a form of millions of fields would take seconds. Ids have nothing that has to be decoded.
 * Throws `bad_request` for more.
 */
function idsOf(form: string): string[] {
  const most = MAX_IDS + MAX_OTHER_FIELDS
  const fields = form.split('&', most + 1)
  if (fields.length > most) throw new CalotypeError('bad_request', `At most ${MAX_IDS} ids in a request.`)
  return fields.flatMap((field) => (field.startsWith('id=') ? [field.slice(3)] : []))
}

const archiveForm = z.object({ id: ids })

/**
 * Adds `GET /api/images/archive` (with the filter of the list, or `id` again and again) and `POST` of a form with as many `id` as a
 * URL does not hold, which changes nothing either.
 */
export async function archiveRoutes(fastify: FastifyInstance, deps: ReadOriginalsDeps): Promise<void> {
  drainRefused(fastify)
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: MAX_FORM_BYTES },
    async (_request: unknown, body: string) => ({ id: idsOf(body) }),
  )
  fastify.addContentTypeParser('*', async () => {
    throw new CalotypeError('bad_request', 'Send the ids as application/x-www-form-urlencoded: id=…&id=…')
  })
  const config = { access: 'read' } as const
  const typed = fastify.withTypeProvider<ZodTypeProvider>()

  typed.route({
    // Fastify's own HEAD would read all of it to throw it away.
    method: ['GET', 'HEAD'],
    url: '/api/images/archive',
    schema: { querystring: archiveQuery },
    config,
    handler: ({ query: { id, ...filter }, method, principal }, reply) =>
      sendArchive(reply, deps, id === undefined ? defined(filter) : { ids: id }, seesOf(principal), method === 'HEAD'),
  })

  typed.post('/api/images/archive', { schema: { body: archiveForm }, config }, ({ body, principal }, reply) =>
    sendArchive(reply, deps, { ids: body.id }, seesOf(principal)),
  )
}

/**
 * Rejects, nothing sent yet, if there is no image or the first can't be read. What fails later breaks the connection, and what came
 * by then is no archive. A client that leaves ends the reading.
 */
async function sendArchive(
  reply: FastifyReply,
  deps: ReadOriginalsDeps,
  selection: Selection,
  owner: Owner,
  isHead = false,
): Promise<FastifyReply> {
  const originals = readOriginals(deps, selection, owner)
  const first = await originals.next()
  if (first.done) throw new CalotypeError('not_found', 'No image is left to download. Choose others.')
  reply.headers({
    'content-type': 'application/zip',
    'content-disposition': `attachment; filename="calotype-${new Date().toISOString().slice(0, 10)}.zip"`,
    'cache-control': 'no-store',
    'cross-origin-resource-policy': 'same-origin',
  })
  // Also when the client left before anything was read, as a generator that never began has no end.
  const close = () => void originals.return()
  if (isHead) {
    close()
    return reply.send()
  }
  return reply.send(Readable.from(zip(named(first.value, originals)), { objectMode: false }).once('close', close))
}

async function* named(first: Original, rest: AsyncIterable<Original>): AsyncGenerator<ZipFile> {
  const nameOf = createArchiveNames()
  const file = ({ image, body }: Original): ZipFile => ({ name: nameOf(image.name), size: image.size, modifiedAt: image.uploadedAt, body })
  yield file(first)
  for await (const original of rest) yield file(original)
}
