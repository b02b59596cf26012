// The originals of many images as one ZIP archive, streamed while it is made.
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { seesOf, type Owner } from '../../access.ts'
import { EXAMPLE_IDS } from '../../api/common.ts'
import { archiveForm, archiveQuery, MAX_ARCHIVE_IDS as MAX_IDS } from '../../api/images.ts'
import { CalotypeError } from '../../errors.ts'
import { readOriginals, type Original, type ReadOriginalsDeps, type Selection } from '../../flow/images/read-originals.ts'
import { file } from '../answers.ts'
import { addEndpoint } from '../endpoint.ts'
import { createArchiveNames } from './archive-names.ts'
import { zip, type ZipFile } from './zip.ts'
import { defined } from '../wire/lists.ts'

// `id=`, a UUID and `&`, and some room for line ends.
const MAX_FORM_BYTES = MAX_IDS * 41

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

/** The archive by `GET`, and by `POST` of a form with as many `id` as a URL does not hold, which changes nothing either. */
export async function archiveRoutes(fastify: FastifyInstance, deps: ReadOriginalsDeps): Promise<void> {
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: MAX_FORM_BYTES },
    async (_request: unknown, body: string) => ({ id: idsOf(body) }),
  )
  fastify.addContentTypeParser('*', async () => {
    throw new CalotypeError('bad_request', 'Send the ids as application/x-www-form-urlencoded: id=…&id=…')
  })
  const known = { access: 'read', tag: 'Media' } as const
  const answers = { 200: file('A ZIP, streamed while it is made', 'application/zip') }

  addEndpoint(fastify, {
    ...known,
    route: 'GET /api/images/archive',
    handlesHead: true,
    summary: 'Download originals as one ZIP, by a filter or by ids',
    query: archiveQuery,
    examples: { q: 'harbour', sort: 'newest' },
    answers,
    errors: ['not_found', 'original_missing', 'original_damaged', 'storage_unavailable'],
    handler: ({ query: { id, ...filter }, method, principal }, reply) =>
      sendArchive(reply, deps, id === undefined ? defined(filter) : { ids: id }, seesOf(principal), method === 'HEAD'),
  })

  addEndpoint(fastify, {
    ...known,
    route: 'POST /api/images/archive',
    summary: 'Download originals as one ZIP, by more ids than a URL holds',
    body: { type: 'application/x-www-form-urlencoded', schema: archiveForm, example: { id: [EXAMPLE_IDS.image] } },
    answers,
    errors: ['not_found', 'file_too_large', 'original_missing', 'original_damaged', 'storage_unavailable'],
    handler: ({ body, principal }, reply) => sendArchive(reply, deps, { ids: body.id }, seesOf(principal)),
  })
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
