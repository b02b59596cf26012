// What an examination finds: each kind with what is done about it, by `--repair` or by a person.

/** What is done about each; a sentence for a person. */
export const REMEDIES = {
  original_missing: 'Its images are marked as failed (original_missing). Put the file back from a backup, or upload it again.',
  original_damaged: 'Its images are marked as failed (original_damaged). Put the file back from a backup, or upload it again.',
  original_back: 'Its images are developed again.',
  rendition_missing: 'It is developed again from the original.',
  unknown_original:
    'Nothing is deleted. Put the newest copy of the database back; or `calotype doctor --adopt` makes images of such originals, and `calotype doctor --repair --delete-unknown` deletes them.',
  deletion_halted: 'Deletion goes on once no original in the store is unknown to the database.',
  orphan: 'It is left. `calotype doctor --repair --delete-unknown` deletes it.',
  temporary_file: 'The file is removed.',
  lease_gone: 'They are pending again.',
  arriving_for_ever: 'They are undone.',
  rows_disagree: 'The images say what became of their development.',
  counts_differ: 'They are counted anew.',
  never_expired: 'What is missing of them expires.',
  removal_unfinished: 'It is ended.',
  nobody_develops: 'Check that a server (in a cluster: a worker) runs, and what its /readyz and its log say.',
  not_looked_at: 'Nothing is taken for missing. Look why, and examine again.',
  not_mended: 'Look why, and examine again.',
  folder_unusable: 'Give this user the right to write there, and room.',
  store_unusable: 'Look at the settings S3_… and at the store.',
  store_checks_nothing: 'Use a store that refuses bytes that do not match their Content-MD5, or tells their MD5 as ETag.',
  store_not_conditional:
    'Browsers fetch images again that they have. Use a store that answers If-None-Match with 304, or no S3_PUBLIC_ENDPOINT.',
  disk_nearly_full: 'Make room, or move DATA_DIR to a larger disk.',
  clocks_differ: 'Have all machines set their clocks by NTP (chrony, systemd-timesyncd).',
  redis_evicts: 'Set maxmemory-policy noeviction in redis.conf: parts of jobs vanish otherwise.',
  redis_forgets: 'Set appendonly yes in redis.conf: a restart costs every hint otherwise.',
  redis_unreachable: 'Look at REDIS_URL, and whether Redis runs.',
  pool_mode: 'Set pool_mode = transaction in pgbouncer.ini.',
  too_few_connections: 'Lower DATABASE_POOL, or raise max_client_conn of PgBouncer (max_connections of PostgreSQL where there is none).',
  front_unreachable: 'Look at the address, and at what answers there.',
  front_limits_bodies: 'Lift its limit of bodies to MAX_FILE_BYTES or above (nginx: client_max_body_size 0).',
  front_holds_bodies: 'Have it pass bodies on as they come (nginx: proxy_request_buffering off).',
  front_stops_websockets:
    'Have it pass on Upgrade and Connection (nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade).',
} as const

export type FindingCode = keyof typeof REMEDIES

export interface Finding {
  code: FindingCode
  /** A sentence for a person. */
  what: string
  /** The key of a blob, the path of a file. */
  about?: string
  mended: boolean
}

/** Told as they are found: they are not kept. */
export type Report = (finding: Finding) => void

export const inWords = (ms: number): string => {
  const [amount, unit] =
    ms < 120_000
      ? [ms / 1_000, 's']
      : ms < 7_200_000
        ? [ms / 60_000, 'min']
        : ms < 172_800_000
          ? [ms / 3_600_000, 'h']
          : [ms / 86_400_000, 'days']
  return `${Math.round(amount)} ${unit}`
}

/** Why something could not be done, for a person. */
export const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error
  return cause instanceof Error && cause.message ? `${message} (${cause.message})` : message
}

/** Does it where `repair` says so, and reports the finding either way; an action that fails is another finding. */
export async function mend(
  { report, repair }: { report: Report; repair: boolean },
  finding: Omit<Finding, 'mended'>,
  action: () => Promise<unknown>,
): Promise<void> {
  if (!repair) return report({ ...finding, mended: false })
  try {
    await action()
    report({ ...finding, mended: true })
  } catch (error) {
    report({ ...finding, mended: false })
    report({ ...finding, code: 'not_mended', what: `That could not be mended: ${reasonOf(error)}`, mended: false })
  }
}
