// The gallery as a whole: the list of the filter, what is new in it, what is selected, and what is done with that.
import type { ApiNotification } from '../../../src/api/events.ts'
import { Problem } from '../api/problem.ts'
import { live } from '../live/live.svelte.ts'
import { plural } from '../parts/format.ts'
import { announcer } from '../shell/announce.svelte.ts'
import { leaving } from '../shell/leaving.ts'
import { downloadAll, downloadSome } from './selection/archive.ts'
import { Bulk } from './selection/bulk.svelte.ts'
import { Deletion } from './selection/deletion.svelte.ts'
import { type Filter, filterSearch } from './photos/filter.ts'
import { deleteImages, getImage, photoSource, retryImages } from './photos/images-api.ts'
import { type Photo, toPhoto } from './photos/photo.ts'
import { PhotoList } from './photos/photo-list.svelte.ts'
import { Selection } from './selection/selection.svelte.ts'

/** While images arrive, the list is looked at so often. */
const LOOK_EVERY_MS = 1_000

export class Gallery {
  list = $state.raw<PhotoList>()!
  /** The list of another filter is being read, the one before is still shown. */
  isSwitching = $state(false)
  isAtTop = $state(true)
  /** Something lies over the list: what is new waits. */
  isCovered = $state(false)
  /** What went wrong, or well, with what was last asked for. */
  notice = $state.raw<{ text: string; isBad: boolean } | null>(null)
  readonly selection = new Selection()
  readonly bulk = new Bulk()
  readonly deletion = new Deletion({
    hide: (ids) => this.list.hide(ids),
    show: (ids) => this.list.show(ids),
    drop: (ids) => this.list.drop(ids),
    send: deleteImages,
    failed: (error, images) => this.#say(`${plural(images, 'image')} could not be deleted. ${sentence(error)}`, true),
  })
  #next: PhotoList | null = null
  #lookTimer: ReturnType<typeof setTimeout> | undefined
  #isLookDue = false

  constructor(filter: Filter) {
    this.list = new PhotoList(filter, photoSource)
    void this.list.open()
  }

  /** Listens to what happens; returns the end of it. */
  start(): () => void {
    const unsubscribe = live.subscribe({ changes: (changes) => this.#hear(changes), resync: () => this.#look() })
    const leave = () => this.deletion.leave()
    const endAsking = leaving.askWhile(() => this.deletion.isTooMuchToLeave)
    addEventListener('pagehide', leave)
    return () => {
      removeEventListener('pagehide', leave)
      endAsking()
      unsubscribe()
      clearTimeout(this.#lookTimer)
      void this.deletion.commit()
      this.#next?.close()
      this.list.close()
    }
  }

  /** Shows the list of this filter, once it is read; the one before stays until then. */
  async show(filter: Filter): Promise<void> {
    await this.deletion.commit()
    this.#next?.close()
    const next = new PhotoList(filter, photoSource)
    this.#next = next
    this.isSwitching = true
    await next.open()
    if (this.#next !== next) return
    this.#next = null
    this.isSwitching = false
    if (filterSearch(filter) !== filterSearch(this.list.filter) || this.selection.isAll) this.selection.clear()
    this.list.close()
    this.list = next
    announcer.say(next.state === 'ready' ? plural(next.total, 'image') : 'The images could not be read')
  }

  /** Brings what is new into sight. */
  async showNews(): Promise<void> {
    if (!this.list.admit()) await this.show(this.list.filter)
  }

  delete(ids: readonly string[]): void {
    if (ids.length === 0) return
    this.notice = null
    this.deletion.begin(ids)
    announcer.say(`${plural(ids.length, 'image')} deleted. This can be undone for a few seconds.`)
  }

  async deleteSelected(): Promise<void> {
    await this.#withSelected((ids) => this.delete(ids))
  }

  async retrySelected(): Promise<void> {
    await this.#withSelected(async (ids) => {
      let retried = 0
      await this.bulk.inSlices('Trying again', ids, async (slice) => {
        retried += await retryImages(slice)
      })
      this.#say(retried === 0 ? 'None of these images had failed.' : `${plural(retried, 'image')} will be tried again.`, false)
    })
  }

  async retry(id: string): Promise<void> {
    try {
      await retryImages([id])
    } catch (error) {
      this.#say(sentence(error), true)
    }
  }

  async downloadSelected(): Promise<void> {
    const failed = () => this.#say('The download could not be started. Try again in a moment.', true)
    const { isAll, ids } = this.selection
    if (isAll && ids.length === 0) {
      downloadAll(this.list.filter, failed)
      this.selection.clear()
    } else await this.#withSelected((chosen) => downloadSome(chosen, failed))
  }

  /** Reads an image again: `null` if it is not there any more. */
  async lookUp(id: string): Promise<Photo | null> {
    try {
      const photo = toPhoto(await getImage(id))
      this.list.replace(photo)
      return photo
    } catch (error) {
      if (error instanceof Problem && error.code === 'not_found') return null
      throw error
    }
  }

  async #withSelected(act: (ids: string[]) => void | Promise<void>): Promise<void> {
    try {
      const ids = await this.bulk.selected(this.list, this.selection)
      await act(ids)
      this.selection.clear()
    } catch (error) {
      this.#say(sentence(error), true)
    }
  }

  #say(text: string, isBad: boolean): void {
    this.notice = { text, isBad }
    announcer.say(text)
  }

  #hear(changes: ApiNotification[]): void {
    this.list.apply(changes)
    const { filter } = this.list
    if (filter.status !== '' || changes.some(({ id }) => !this.list.knows(id))) this.#look()
    // Its sides and its blurred self were not in the announcement.
    else if (this.isAtTop && changes.some(({ status }) => status === 'completed')) this.#look()
  }

  /** At once, and not again for a second; then once more if there was reason to. */
  #look(): void {
    this.#isLookDue = true
    if (this.#lookTimer === undefined) void this.#lookNow()
  }

  async #lookNow(): Promise<void> {
    this.#isLookDue = false
    this.#lookTimer = setTimeout(() => {
      this.#lookTimer = undefined
      if (this.#isLookDue) void this.#lookNow()
    }, LOOK_EVERY_MS)
    const { list } = this
    await list.look()
    const waits = !this.isAtTop || this.isCovered || this.selection.isAll || list !== this.list
    // In another order what is new is anywhere: it is said, and shown when asked for.
    if (waits || this.#next !== null || list.state !== 'ready' || list.filter.sort !== 'newest') return
    if (!list.admit()) await this.show(list.filter)
  }
}

const sentence = (error: unknown) =>
  error instanceof Problem ? error.message : 'Something went wrong. Load the page again and try once more.'
