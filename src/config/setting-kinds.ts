// What a setting is, and the kinds of them: how each reads what the environment says.
import { StartError } from '../errors.ts'

export interface Setting<T> {
  /** Its name in the environment. */
  name: string
  /** As written in the environment; empty where that would be nothing, or where the machine decides. */
  default: string
  /** The default, for people. */
  shown: string
  help: string
  /** Of a secret: what may be shown instead. */
  mask?: (text: string) => string
  /** The value for what the environment says, `undefined` for nothing. Throws StartError. */
  parse(text: string | undefined): T
}

export function bad(name: string, text: string, right: string): StartError {
  return new StartError(`${name} is "${text}"; it must be ${right}.`)
}

/** The default may be a function, where the machine decides; `shown` then says it in words. */
export function integer(
  name: string,
  fallback: number | { value: () => number; shown: string },
  help: string,
  { min = 1, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {},
): Setting<number> {
  const fixed = typeof fallback === 'number' ? String(fallback) : ''
  return {
    name,
    default: fixed,
    shown: typeof fallback === 'number' ? fixed : fallback.shown,
    help,
    parse(text) {
      if (text === undefined) return typeof fallback === 'number' ? fallback : fallback.value()
      const value = Number(text)
      if (/^\d+$/.test(text) && value >= min && value <= max) return value
      throw bad(name, text, max === Number.MAX_SAFE_INTEGER ? `a whole number, ${min} or more` : `a whole number from ${min} to ${max}`)
    },
  }
}

/** One that may be left out; `shown` says what that means. */
export function optionalInteger(name: string, shown: string, help: string): Setting<number | null> {
  const { parse } = integer(name, 0, help, { min: 0 })
  return { name, default: '', shown, help, parse: (text) => (text === undefined ? null : parse(text)) }
}

export function text<T>(name: string, fallback: string, help: string, read: (text: string) => T): Setting<T> {
  return { name, default: fallback, shown: fallback || 'none', help, parse: (given) => read(given ?? fallback) }
}
