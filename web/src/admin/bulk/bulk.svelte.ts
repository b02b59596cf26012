// A bulk action someone asked for: counted, confirmed, and then a job in the background.
import type { ApiImageSelection, ApiJob, ApiJobRequest, ApiSelectionCount } from '../../../../src/api/jobs.ts'
import { ask } from '../../api/client.ts'
import { sentenceOf } from '../../parts/sentence.ts'
import { jobs } from './jobs.svelte.ts'

export interface BulkWish {
  action: ApiJobRequest['action']
  /** One job for each. */
  selections: ApiImageSelection[]
  /** What they are, for a person: "that failed with invalid_image". */
  which: string
  /** Called when the jobs have begun. */
  begun?: () => void
}

class Bulk {
  wish = $state.raw<BulkWish | null>(null)
  /** Of each selection; null while they are counted. */
  counts = $state.raw<number[] | null>(null)
  refusal = $state.raw('')
  isBusy = $state.raw(false)
  readonly total = $derived(this.counts?.reduce((sum, count) => sum + count, 0) ?? null)

  ask(wish: BulkWish): void {
    this.wish = wish
    this.refusal = ''
    void this.#count(wish)
  }

  cancel(): void {
    this.wish = null
  }

  async confirm(): Promise<void> {
    const { wish, counts } = this
    if (wish === null || counts === null) return
    this.isBusy = true
    this.refusal = ''
    try {
      for (const [at, selection] of wish.selections.entries()) {
        const confirmed = counts[at] ?? 0
        if (confirmed === 0) continue
        const body: ApiJobRequest = { action: wish.action, selection, confirmed }
        jobs.add(await ask<ApiJob>('/api/admin/jobs', { method: 'POST', body }))
      }
      this.wish = null
      wish.begun?.()
    } catch (error) {
      this.refusal = sentenceOf(error)
      // There may be more of them than were counted.
      await this.#count(wish)
    } finally {
      this.isBusy = false
    }
  }

  async #count(wish: BulkWish): Promise<void> {
    this.counts = null
    try {
      const counts: number[] = []
      for (const body of wish.selections) {
        counts.push((await ask<ApiSelectionCount>('/api/admin/selection/count', { method: 'POST', body })).images)
      }
      if (this.wish === wish) this.counts = counts
    } catch (error) {
      if (this.wish === wish) this.refusal = sentenceOf(error)
    }
  }
}

export const bulk = new Bulk()
