// The stream of a cluster's feed in Redis: how events get their numbers there, and how they are read.
import type { RedisConnection } from '../db/redis/redis.ts'
import type { Image } from '../image.ts'
import { readEventImage } from './event-image.ts'

/**
 * An entry's id is its event's position: `<epoch>-<n>`, an epoch being the millisecond in which it began. So positions are the same
 * for every server, stay when servers start again, and a later epoch follows an earlier one in the same stream. Entry 0 of an epoch
 * says that it began; the events follow one by one.
 */
export interface Position {
  epoch: number
  n: number
}

export interface Entry extends Position {
  /** Null in the entry that begins an epoch, and where another version wrote an image that this one can't read. */
  image: Image | null
}

const STREAM = 'calotype:{events}'
// In which run of Redis the epoch began. A restart or a failover may have lost what some server has already heard.
const RUN = 'calotype:{events}:run'

/**
 * What the stream may take in Redis, for each event of the history: an ordinary one takes half of it. Looked at as every so many events
 * come, as it is a walk over the stream; in between at most 3 MB are added.
 */
const MAX_AVERAGE_EVENT_BYTES = 1024
const EVENTS_BETWEEN_LOOKS = 500

// One step for all servers and workers at once. Numbers of 53 bits: `%.0f` writes them whole.
const APPEND = `
local history, begin = ARGV[1], ARGV[2] == '1'
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch, n = 0, 0
if newest then
  local e, number = string.match(newest[1], '(%d+)-(%d+)')
  epoch, n = tonumber(e), tonumber(number)
end
if begin or not newest or redis.call('GET', KEYS[2]) ~= run then
  local time = redis.call('TIME')
  epoch = math.max(epoch + 1, tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
  n = 0
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', history, string.format('%.0f-0', epoch), 'begun', run)
  redis.call('SET', KEYS[2], run)
end
for i = 3, #ARGV do
  n = n + 1
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', history, string.format('%.0f-%.0f', epoch, n), 'image', ARGV[i])
end
if math.floor(n / ${EVENTS_BETWEEN_LOOKS}) ~= math.floor((n - (#ARGV - 2)) / ${EVENTS_BETWEEN_LOOKS}) then
  local most = history * ${MAX_AVERAGE_EVENT_BYTES}
  local bytes = redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 0)
  if bytes > most then
    redis.call('XTRIM', KEYS[1], 'MAXLEN', math.floor(redis.call('XLEN', KEYS[1]) * most / bytes))
  end
end
return string.format('%.0f-%.0f', epoch, n)
`

type RawEntry = [id: string, fields: [name: string, value: string]]

const idOf = ({ epoch, n }: Position) => `${epoch}-${n}`

function toPosition(id: string): Position {
  const [epoch, n] = id.split('-').map(Number)
  return { epoch: epoch!, n: n! }
}

function toEntry([id, [name, value]]: RawEntry): Entry {
  return { ...toPosition(id), image: name === 'image' ? readEventImage(value) : null }
}

export const isBefore = (a: Position, b: Position) => a.epoch < b.epoch || (a.epoch === b.epoch && a.n < b.n)

/**
 * Numbers and appends images (JSON), in one round trip, and trims the stream to `history` or a little more, or to fewer if they are large. Without images, looks
 * whether the epoch still holds. Begins a new one if asked to, if the stream is gone, or if Redis was started again since. Returns
 * the newest position. Takes a second at most, or rejects.
 */
export async function append(redis: RedisConnection, history: number, begin: boolean, images: string[]): Promise<Position> {
  const id = await redis.ask(() => redis.client.eval(APPEND, 2, STREAM, RUN, history, begin ? '1' : '0', ...images))
  return toPosition(id as string)
}

/** Waits up to `blockMs` for entries after a position; up to `most` of them, none if none came. Rejects when the connection is lost. */
export async function waitForEntries(redis: RedisConnection, after: Position, most: number, blockMs: number): Promise<Entry[]> {
  const streams = await redis.client.xread('COUNT', most, 'BLOCK', blockMs, 'STREAMS', STREAM, idOf(after))
  return streams ? (streams[0]![1] as RawEntry[]).map(toEntry) : []
}

/**
 * Up to `limit` entries after a position, of its epoch. Null when they are not known: there is no such position in the newest epoch, what
 * follows it was trimmed, or another version wrote some of it. Takes a second at most, or rejects.
 */
export async function readEntries(redis: RedisConnection, after: Position, limit: number): Promise<Entry[] | null> {
  const looking = redis.client
    .multi()
    .xrevrange(STREAM, '+', '-', 'COUNT', 1)
    .xrange(STREAM, `(${idOf(after)}`, '+', 'COUNT', limit)
  const [[, newest], [, following]] = (await redis.ask(() => looking.exec())) as [[unknown, RawEntry[]], [unknown, RawEntry[]]]
  const end = newest[0] && toPosition(newest[0][0])
  if (end?.epoch !== after.epoch || end.n < after.n) return null
  const entries = following.map(toEntry)
  if (entries.length > 0 && entries[0]!.n !== after.n + 1) return null
  return entries.some(({ image }) => image === null) ? null : entries
}
