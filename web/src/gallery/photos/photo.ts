// What the gallery keeps of each image: little, as there may be a hundred thousand of them.
import type { ApiNotification } from '../../../../src/api/events.ts'
import type { ApiImage } from '../../../../src/api/images.ts'

export type Photo = Readonly<Pick<ApiImage, 'id' | 'name' | 'status' | 'image' | 'thumbnail' | 'thumbhash' | 'width' | 'height' | 'error'>>

export const toPhoto = ({ id, name, status, image, thumbnail, thumbhash, width, height, error }: ApiImage): Photo => ({
  id,
  name,
  status,
  image,
  thumbnail,
  thumbhash,
  width,
  height,
  error,
})

/** A change as it was announced; its sides and its thumbhash are not, they come with the next look at the list. */
export const withChange = (photo: Photo, { status, image, thumbnail, error }: ApiNotification): Photo => ({
  ...photo,
  status,
  image,
  thumbnail,
  error,
})
