// What is done with all that is selected at once: retry and download, in slices, with a word on how far it is.
import { slices } from './deletion.svelte.ts'
import type { PhotoList } from '../photos/photo-list.svelte.ts'
import type { Selection } from './selection.svelte.ts'

const SLICE = 1_000

export interface Progress {
  what: string
  done: number
  total: number
}

export class Bulk {
  progress = $state.raw<Progress | null>(null)

  /** The ids of what is selected; of all in the filter, those that were there when all were selected: the list is read to its end. */
  async selected(list: PhotoList, selection: Selection): Promise<string[]> {
    if (!selection.isAll) return selection.ids
    const what = 'Reading the list'
    this.progress = { what, done: 0, total: list.total }
    const ids: string[] = []
    try {
      // By pieces, so that it can be seen to move.
      for (let place = 0; place < list.total; place++) {
        if (list.at(place) === undefined) {
          this.progress = { what, done: place, total: list.total }
          await list.read(place, place + SLICE - 1)
        }
        const photo = list.at(place)
        if (photo === undefined) throw list.problem
        if (selection.has(photo.id)) ids.push(photo.id)
      }
      return ids
    } finally {
      this.progress = null
    }
  }

  async inSlices(what: string, ids: readonly string[], send: (slice: readonly string[]) => Promise<void>): Promise<void> {
    let done = 0
    try {
      for (const slice of slices(ids, SLICE)) {
        this.progress = { what, done, total: ids.length }
        await send(slice)
        done += slice.length
      }
    } finally {
      this.progress = null
    }
  }
}
