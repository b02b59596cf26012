// Why a file is not taken, as the page itself finds out.
import { formatSize } from '../../parts/format.ts'

export const UNREADABLE = 'The file could not be read: it was changed, moved or deleted. Choose it again.'
export const NOT_AN_IMAGE = 'Not an image of a format taken here: JPEG, PNG, WebP, AVIF or GIF.'
export const EMPTY = 'The file is empty.'
export const EXPIRED = 'It was not sent in time. Choose the file again to send it.'

export const tooLarge = (size: number, most: number) => `The file has ${formatSize(size)}; this server takes up to ${formatSize(most)}.`
export const twice = (name: string) => `The same photograph as ${name}: it is sent once.`
