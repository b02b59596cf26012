// `calotype doctor`: says what is wrong and what would be done about it, and with --repair does it.
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { REMEDIES, type Finding } from '../flow/doctor/findings.ts'
import { tally } from '../flow/originals/unknown-originals.ts'
import { originalKey } from '../rendition/keys.ts'
import { createLog } from '../log.ts'
import { confirm } from './ask.ts'
import { examineFront } from './front.ts'
import { createProgress } from './progress.ts'

export interface DoctorOptions {
  repair?: boolean
  sample?: string
  grace?: string
  url?: string
  json?: boolean
  adopt?: boolean
  owner?: string
  deleteUnknown?: boolean
  yes?: boolean
}

/** Returns the exit code: 0 when all is well, 1 with findings, mended or not. Throws StartError for what can not be examined at all. */
export async function examineAndTell(config: Config, options: DoctorOptions): Promise<0 | 1> {
  const { repair = false, json = false } = options
  const sample = options.sample === undefined ? null : wholeNumber('--sample', options.sample)
  const graceMs = wholeNumber('--grace', options.grace ?? '3600') * 1000
  const counts: Record<string, number> = {}
  let unmended = 0
  const report = (finding: Finding) => {
    counts[finding.code] = (counts[finding.code] ?? 0) + 1
    if (!finding.mended) unmended++
    console.log(json ? JSON.stringify({ ...finding, remedy: REMEDIES[finding.code] }) : inWords(finding))
  }
  const { url: front } = options
  if (front !== undefined) {
    if (!URL.canParse(front) || !/^https?:/.test(front))
      throw new StartError(`--url is "${front}"; it must be like https://photos.example.org.`)
    await examineFront(front, config.maxFileBytes, report)
  }
  await decideOnUnknown(config, options)
  const progress = createProgress('looked at')
  const { examine } = await import('../maintain.ts')
  const examined = await examine(config, createLog(config.logLevel), { repair, sample, graceMs }, { report, onProgress: progress.tell })
  progress.end()
  const findings = Object.values(counts).reduce((sum, count) => sum + count, 0)
  if (json) console.log(JSON.stringify({ summary: { ...examined, findings, unmended, counts } }))
  else {
    const known = examined?.knownLost ? ` ${examined.knownLost} are lost, as their images say.` : ''
    const accepted = examined?.accepted ? ` ${examined.accepted} that the database does not know were accepted.` : ''
    if (examined) console.log(`Looked at ${examined.originals} originals, and read ${examined.hashed} of them whole.${known}${accepted}`)
    if (findings === 0) console.log('All is well.')
    else {
      const kinds = Object.entries(counts).map(([code, count]) => `${count} ${code}`)
      const left = repair ? `, ${unmended} not mended` : '; nothing was changed (--repair mends)'
      console.log(`${findings} findings: ${kinds.join(', ')}${left}.`)
    }
  }
  return findings === 0 ? 0 : 1
}

/** What a person decided about originals that the database does not know; done before the examination, which then finds them no more. */
async function decideOnUnknown(config: Config, options: DoctorOptions): Promise<void> {
  const { adopt = false, owner, deleteUnknown = false, repair = false, yes = false } = options
  if (owner !== undefined && !adopt) throw new StartError('--owner goes with --adopt: it names whose images are made.')
  if (adopt && deleteUnknown) throw new StartError('Choose one of --adopt and --delete-unknown.')
  if (adopt) await adoptAndTell(config, owner ?? null)
  if (deleteUnknown && !repair) throw new StartError('--delete-unknown goes with --repair.')
  if (deleteUnknown) await deleteUnknownAndTell(config, yes)
}

async function adoptAndTell(config: Config, owner: string | null): Promise<void> {
  const progress = createProgress('adopted')
  const { adoptUnknown } = await import('../maintain.ts')
  const { adopted, left } = await adoptUnknown(config, createLog(config.logLevel), owner, progress.tell)
  progress.end()
  console.error(`Made ${adopted} images of originals that the database did not know. They are developed once the server runs.`)
  for (const { sha256, why } of left) {
    const reason = why === 'damaged' ? 'its bytes are not those it is named for' : 'it has no format that is accepted'
    console.error(`Left: ${originalKey(sha256)}, as ${reason}.`)
  }
}

async function deleteUnknownAndTell(config: Config, yes: boolean): Promise<void> {
  const { deleteUnknown } = await import('../maintain.ts')
  const deleted = await deleteUnknown(config, createLog(config.logLevel), async ({ originals, renditions }) => {
    const { bytes, oldestAt, newestAt } = tally(originals)
    const age = oldestAt === null || newestAt === null ? '' : `, stored from ${dateOf(oldestAt)} to ${dateOf(newestAt)}`
    const what =
      `${originals.length} originals (${(bytes / 1e6).toFixed(1)} MB${age}) and ${renditions.length} developed images that the database ` +
      'does not know'
    if (yes) return true
    if (!process.stdin.isTTY) throw new StartError(`Nobody is there to be asked. Add --yes to delete ${what}.`)
    return confirm(`Delete ${what}, for good?`)
  })
  console.error(
    deleted === null ? 'Nothing was deleted.' : `Deleted ${deleted.originals} originals (${(deleted.bytes / 1e6).toFixed(1)} MB).`,
  )
}

const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace('T', ' ')

const inWords = ({ code, what, mended }: Finding) =>
  `${mended ? 'MENDED ' : ''}${what}\n    ${mended ? 'Done: ' : ''}${REMEDIES[code]} [${code}]`

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new StartError(`${option} is "${text}"; it must be a whole number, 0 or above.`)
  return Number(text)
}
