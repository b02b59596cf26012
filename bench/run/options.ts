// What the options of all benches share: how they are read, and what is said of one that is wrong.
import { InvalidArgumentError } from 'commander'

/** A whole number from 1 to `most`. */
export const wholeNumber = (most: number) => (text: string) => {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1 || number > most) throw new InvalidArgumentError(`A whole number from 1 to ${most}.`)
  return number
}

/** Whole numbers with commas between. */
export const wholeNumbers = (most: number) => (text: string) => text.split(',').map(wholeNumber(most))

/** Some of the names there are, with commas between, in the order given. */
export const someOf =
  <Name extends string>(names: readonly Name[]) =>
  (text: string): Name[] => {
    const given = text.split(',')
    const unknown = given.find((name) => !names.includes(name as Name))
    if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${names.join(', ')}.`)
    return given as Name[]
  }

export interface Megapixels {
  from: number
  to: number
}

export function megapixels(text: string): Megapixels {
  const [from = NaN, to = from] = text.split('-').map(Number)
  if (!(from > 0 && from <= to && to <= 50)) throw new InvalidArgumentError('A size like 24, or two like 0.5-12, up to 50.')
  return { from, to }
}
