// Files that are images by their signature and nothing else: each fails in development, and no two have the same bytes.
import type { SentFile } from '../clients/client.ts'

const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0])

export const failingFiles = (count: number, prefix = 'bad'): SentFile[] =>
  Array.from({ length: count }, (_, at) => ({ name: `${prefix}-${at}.jpg`, bytes: Buffer.concat([JPEG, Buffer.from(`${prefix} ${at}`)]) }))
