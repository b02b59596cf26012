// What the gallery asks of the API.
import type { ApiCount, ApiDeleted, ApiImage, ApiRetried } from '../../../../src/api/images.ts'
import { ask, askPage } from '../../api/client.ts'
import { filterQuery } from './filter.ts'
import { toPhoto } from './photo.ts'
import type { PhotoSource } from './photo-list.svelte.ts'

export const photoSource: PhotoSource = {
  async page(filter, { limit, cursor, signal }) {
    const query = filterQuery(filter)
    query.set('limit', String(limit))
    if (cursor !== null) query.set('cursor', cursor)
    const { items, next } = await askPage<ApiImage>(`/api/images?${query}`, { signal })
    return { photos: items.map(toPhoto), next: next && new URL(next, location.href).searchParams.get('cursor') }
  },

  async count(filter, signal) {
    const { images } = await ask<ApiCount>(`/api/images/count?${filterQuery({ ...filter, sort: 'newest' })}`, { signal })
    return images
  },
}

export const getImage = (id: string) => ask<ApiImage>(`/api/images/${id}`)

export const originalOf = (id: string) => `/api/images/${id}/original`

/** Up to a thousand. Those that are not there are passed over. */
export async function deleteImages(ids: readonly string[], { keepalive }: { keepalive: boolean }): Promise<void> {
  await ask<ApiDeleted>('/api/images/delete', { method: 'POST', body: { ids }, keepalive })
}

/** Up to a thousand; gives how many of them had failed and are tried again. */
export async function retryImages(ids: readonly string[]): Promise<number> {
  return (await ask<ApiRetried>('/api/images/retry', { method: 'POST', body: { ids } })).retried
}
