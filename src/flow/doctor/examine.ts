// Compares rows and bytes in both directions, a 256th of them at a time; beside a running server, by looking twice before it speaks.
import { originalKey, renditionKey } from '../../rendition/keys.ts'
import type { KeptCounts } from '../../record/admin/kept-counts.ts'
import type { HeldOriginal } from '../../record/admin/row-survey.ts'
import type { BlobStat, BlobStore } from '../../store/blob-store.ts'
import { forEachConcurrent } from '../../concurrency/for-each-concurrent.ts'
import { examineCounts } from './examine-counts.ts'
import { examineHalt } from './examine-halt.ts'
import { examineOriginal, isKnownLost, sizeOfBlob } from './examine-original.ts'
import { examineStuck, type ExamineStuckDeps } from './examine-stuck.ts'
import { inWords, mend, reasonOf } from './findings.ts'
import { examineOriginalsLeft, examineRenditionsLeft } from './examine-left.ts'
import type { FindDeps, UnknownOriginal } from '../originals/unknown-originals.ts'

export interface ExamineDeps extends ExamineStuckDeps, FindDeps {
  blobs: BlobStore
  originals: ExamineStuckDeps['originals'] & FindDeps['originals']
  counts: Pick<KeptCounts, 'differences' | 'recount'>
  /** Called now and then: so many of so many originals were looked at. */
  onProgress(looked: number, of: number): void
}

export interface ExamineOptions {
  /** Mends what it finds; otherwise nothing is changed. */
  repair: boolean
  /** How many originals are read whole and hashed, chosen at random; null: all. */
  sample: number | null
  /** Developed images that no row knows, and temporary files, are let be until they are so old. */
  graceMs: number
  /** Whether somebody should be developing what waits. */
  isServed: boolean
}

export interface Examined {
  originals: number
  /** Of them, those that were read whole. */
  hashed: number
  /** Those that are lost, as their images say: no finding any more. */
  knownLost: number
  /** Developed images without a row, and temporary files, within the grace period. */
  young: number
  /** Originals that no row speaks of and that a person accepted (`serve --new`): no finding. */
  accepted: number
}

const PAGE = 500
const AT_ONCE = 8
// What can not be looked at so often, one after the other, can not be looked at.
const MOST_REFUSALS = 5

/**
 * Resolves when all was looked at that could be; nothing that could not be is taken for missing. Memory is that of the names in a
 * 256th of the store.
 */
export async function examine(deps: ExamineDeps, options: ExamineOptions): Promise<Examined> {
  const examination = new Examination(deps, options)
  await examination.rows()
  await examination.counts()
  await examination.temporaryFiles()
  await examination.bytes()
  await examination.halt()
  return examination.examined
}

type Listed = Map<string, BlobStat>

const pagesOf = (keys: string[]) => Array.from({ length: Math.ceil(keys.length / PAGE) }, (_, at) => keys.slice(at * PAGE, (at + 1) * PAGE))

class Examination {
  readonly examined: Examined = { originals: 0, hashed: 0, knownLost: 0, young: 0, accepted: 0 }
  readonly #deps: ExamineDeps
  readonly #options: ExamineOptions
  readonly #mend: Parameters<typeof mend>[0]
  #refusals = 0
  #isWhole = true
  readonly #unknown: UnknownOriginal[] = []
  #acceptedAt: number | null = null
  #all = 0
  /** Of the sample. */
  #unchosen: number

  constructor(deps: ExamineDeps, options: ExamineOptions) {
    this.#deps = deps
    this.#options = options
    this.#mend = { report: deps.report, repair: options.repair }
    this.#unchosen = options.sample ?? Infinity
  }

  /** The answer, or null, having said why there is none. */
  async #look<T>(about: string, question: () => Promise<T>): Promise<T | null> {
    try {
      const answer = await question()
      this.#refusals = 0
      return answer
    } catch (error) {
      this.#refusals++
      this.#isWhole = false
      this.#deps.report({ code: 'not_looked_at', what: `This could not be looked at: ${about}: ${reasonOf(error)}`, about, mended: false })
      return null
    }
  }

  rows() {
    return this.#look('stuck rows', () => examineStuck(this.#deps, this.#options))
  }

  counts() {
    return this.#look('the counts', () => examineCounts(this.#deps, this.#options))
  }

  temporaryFiles() {
    return this.#look('temporary files', async () => {
      const { blobs } = this.#deps
      for await (const { path, modifiedAt, size } of blobs.staged()) {
        const ageMs = Date.now() - modifiedAt
        if (ageMs < this.#options.graceMs) this.examined.young++
        else {
          const what = `A temporary file of ${size} bytes has been left for ${inWords(ageMs)}: ${path}`
          await mend(this.#mend, { code: 'temporary_file', what, about: path }, () => blobs.discard(path))
        }
      }
    })
  }

  async bytes() {
    this.#all = (await this.#look('the rows', () => this.#deps.survey.countOriginals())) ?? 0
    this.#acceptedAt = (await this.#look('the known store', () => this.#deps.knownStore.read()))?.acceptedAt ?? null
    for (let byte = 0; byte < 256; byte++) {
      if (this.#refusals >= MOST_REFUSALS) {
        const what = `${256 - byte} of 256 parts of the store were not looked at: too much before them could not be.`
        this.#deps.report({ code: 'not_looked_at', what, mended: false })
        return
      }
      await this.#part(byte.toString(16).padStart(2, '0'))
      this.#deps.onProgress(this.examined.originals, this.#all)
    }
  }

  halt() {
    const { repair } = this.#options
    return this.#look('the known store', () => examineHalt(this.#deps, { repair, unknown: this.#unknown, isWhole: this.#isWhole }))
  }

  #list(prefix: string): Promise<Listed | null> {
    return this.#look(prefix, async () => {
      const listed: Listed = new Map()
      for await (const { key, size, modifiedAt } of this.#deps.blobs.list(prefix)) listed.set(key, { size, modifiedAt })
      return listed
    })
  }

  /** Bytes are listed before the rows are read: what has a row and no bytes then has lost them, or is new, and is looked at again. */
  async #part(prefix: string) {
    const originals = await this.#list(`originals/${prefix}/`)
    const renditions = originals && (await this.#list(`renditions/${prefix}/`))
    if (!renditions) return
    let after = ''
    for (;;) {
      const page = await this.#look(`rows of ${prefix}…`, () => this.#deps.survey.originals(prefix, after, PAGE))
      const last = page?.at(-1)
      if (!page || !last) break
      await forEachConcurrent(AT_ONCE, page, (original) => this.#original(original, originals, renditions))
      this.#deps.onProgress(this.examined.originals, this.#all)
      if (this.#refusals >= MOST_REFUSALS) return
      after = last.sha256
    }
    const { graceMs } = this.#options
    for (const keys of pagesOf([...originals.keys()])) {
      const found = await this.#look('originals without a row', () => examineOriginalsLeft(this.#deps, this.#acceptedAt, keys))
      this.#unknown.push(...(found?.unknown ?? []))
      this.examined.accepted += found?.accepted ?? 0
    }
    for (const keys of pagesOf([...renditions.keys()])) {
      this.examined.young +=
        (await this.#look('developed images without a row', () => examineRenditionsLeft(this.#deps, graceMs, keys))) ?? 0
    }
  }

  async #original(original: HeldOriginal, originals: Listed, renditions: Listed) {
    const { sha256, size, renditions: held } = original
    const key = originalKey(sha256)
    const listed = originals.get(key)
    originals.delete(key)
    const missing = held.filter(({ operation, status, size: stored }) => {
      const key = renditionKey(sha256, operation)
      const found = renditions.get(key)?.size
      renditions.delete(key)
      return status === 'completed' && found !== stored
    })
    const isChosen = this.#choose()
    if (isChosen || isKnownLost(original) || listed?.size !== size) {
      const state = await this.#look(key, () => examineOriginal(this.#deps, this.#options.repair, original, isChosen))
      if (isChosen && state !== null) this.examined.hashed++
      if (state === 'known lost') this.examined.knownLost++
      if (state !== 'sound') return
    }
    for (const { operation } of missing) await this.#rendition(sha256, operation)
  }

  /** Exactly as many as the sample has, each with the same chance (Knuth, TAOCP 2, 3.4.2, algorithm S). */
  #choose(): boolean {
    const left = this.#all - this.examined.originals++
    if (Math.random() * Math.max(left, 1) >= this.#unchosen) return false
    this.#unchosen--
    return true
  }

  /** Looked at again: it may have been developed, or deleted, since it was listed. */
  async #rendition(sha256: string, operation: string) {
    const { blobs, survey } = this.#deps
    const key = renditionKey(sha256, operation)
    const what = await this.#look(key, async () => {
      const held = await survey.original(sha256)
      const rendition = held?.renditions.find((one) => one.operation === operation && one.status === 'completed')
      if (!rendition) return null
      const found = await sizeOfBlob(blobs, key)
      if (found === null) return `A developed image is missing: ${key}`
      return found === rendition.size ? null : `A developed image has ${found} bytes where ${rendition.size} were stored: ${key}`
    })
    if (!what) return
    await mend(this.#mend, { code: 'rendition_missing', what, about: key }, () => survey.remake([{ sha256, operation }]))
  }
}
