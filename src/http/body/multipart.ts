// The multipart bodies of uploads, as their declarations describe them, and what can be wrong with any of them.
import type { ErrorCode } from '../../error-codes.ts'
import type { StreamedBody } from '../endpoint.ts'

const FILE_BYTES = { type: 'string', contentMediaType: 'application/octet-stream' }

const multipart = (field: string, schema: object, example: string | string[]): StreamedBody => ({
  type: 'multipart/form-data',
  jsonSchema: { type: 'object', required: [field], properties: { [field]: schema } },
  example: { [field]: example },
})

export const ONE_FILE = multipart('image', FILE_BYTES, '(bytes of harbour.jpg)')
export const FILES = multipart('images', { type: 'array', minItems: 1, items: FILE_BYTES }, [
  '(bytes of harbour.jpg)',
  '(bytes of notes.txt)',
])

/** Errors of every endpoint that receives files. */
export const RECEIVING: ErrorCode[] = [
  'bad_request',
  'no_file',
  'wrong_field',
  'too_many_fields',
  'malformed_multipart',
  'empty_file',
  'upload_timeout',
  'file_too_large',
  'names_too_long',
  'unsupported_format',
  'not_multipart',
  'unsupported_encoding',
  'quota_exceeded',
  'overloaded',
  'storage_unavailable',
  'storage_full',
]
