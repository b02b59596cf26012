// What stands for a photograph until it is there: its average colour at once and its blurred self, both from the thumbhash.
import { thumbHashToAverageRGBA, thumbHashToDataURL } from 'thumbhash'

// A data URL has about 5 KB: 2 MB at most, and enough for several screens.
const MAX_KEPT = 400

const decoded = new Map<string, string>()

const toBytes = (base64: string) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))

/** A small PNG as a data URL. About 0.3 ms the first time, kept for the next. */
export function blurredImage(thumbhash: string): string {
  const known = decoded.get(thumbhash)
  // The oldest goes when it is full: what is looked at again is moved to the end.
  if (known !== undefined) decoded.delete(thumbhash)
  const url = known ?? thumbHashToDataURL(toBytes(thumbhash))
  decoded.set(thumbhash, url)
  if (decoded.size > MAX_KEPT) decoded.delete(decoded.keys().next().value!)
  return url
}

// Both are in its first bytes.
const HEADER_CHARACTERS = 8

/** A CSS colour; cheap enough for every cell that flies by. */
export function averageColour(thumbhash: string): string {
  const { r, g, b, a } = thumbHashToAverageRGBA(toBytes(thumbhash.slice(0, HEADER_CHARACTERS)))
  const [red, green, blue] = [r, g, b].map((part) => Math.round(part * 255))
  return `rgb(${red} ${green} ${blue} / ${a})`
}

/** Whether one sees through parts of it: then nothing may be left behind it. */
export const isTransparent = (thumbhash: string) => (toBytes(thumbhash.slice(0, HEADER_CHARACTERS))[2]! & 0x80) !== 0
