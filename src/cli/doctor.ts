// `calotype doctor`: says what is wrong and what would be done about it, and with --repair does it.
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { REMEDIES, type Finding } from '../flow/findings.ts'
import { createLog } from '../log.ts'
import { examineFront } from './front.ts'
import { createProgress } from './progress.ts'

export interface DoctorOptions {
  repair?: boolean
  sample?: string
  grace?: string
  url?: string
  json?: boolean
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
  const progress = createProgress('looked at')
  const { examine } = await import('../maintain.ts')
  const examined = await examine(config, createLog(config.logLevel), { repair, sample, graceMs }, { report, onProgress: progress.tell })
  progress.end()
  const findings = Object.values(counts).reduce((sum, count) => sum + count, 0)
  if (json) console.log(JSON.stringify({ summary: { ...examined, findings, unmended, counts } }))
  else {
    const known = examined?.knownLost ? ` ${examined.knownLost} are lost, as their images say.` : ''
    if (examined) console.log(`Looked at ${examined.originals} originals, and read ${examined.hashed} of them whole.${known}`)
    if (findings === 0) console.log('All is well.')
    else {
      const kinds = Object.entries(counts).map(([code, count]) => `${count} ${code}`)
      const left = repair ? `, ${unmended} not mended` : '; nothing was changed (--repair mends)'
      console.log(`${findings} findings: ${kinds.join(', ')}${left}.`)
    }
  }
  return findings === 0 ? 0 : 1
}

const inWords = ({ code, what, mended }: Finding) =>
  `${mended ? 'MENDED ' : ''}${what}\n    ${mended ? 'Done: ' : ''}${REMEDIES[code]} [${code}]`

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new StartError(`${option} is "${text}"; it must be a whole number, 0 or above.`)
  return Number(text)
}
