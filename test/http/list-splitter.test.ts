// Large JSON in pieces: whatever the pieces are, it means what JSON.parse says it means.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ListSplitter } from '../../src/http/body/list-splitter.ts'
import { diceFrom } from '../support/inputs/random.ts'

class Refused extends Error {}

function read(text: string, pieceBytes: () => number) {
  const elements: unknown[] = []
  const splitter = new ListSplitter({
    member: 'files',
    maxElementBytes: 4_096,
    maxDepth: 16,
    onElement: (element) => elements.push(element),
    refuse: (sentence) => new Refused(sentence),
  })
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length;) {
    const end = at + pieceBytes()
    splitter.write(bytes.subarray(at, end))
    at = end
  }
  const rest = splitter.end() as { files?: unknown[] }
  return { rest, elements }
}

function parsed(text: string): { files?: unknown } | null {
  try {
    return JSON.parse(text) as { files?: unknown }
  } catch {
    return null
  }
}

const { below, oneOf } = diceFrom(20_261_130)
const TEXTS = ['', 'a', '"', '\\', '\\"', '[{', '}]', '写', '🌅', '\n', '"files":[', ',', '\u0001', 'files']

function value(depth: number): unknown {
  const kind = below(depth > 4 ? 4 : 6)
  if (kind === 0) return oneOf(TEXTS) + oneOf(TEXTS)
  if (kind === 1) return below(1_000_000) / 7
  if (kind < 4) return oneOf([true, false, null])
  if (kind === 4) return Array.from({ length: below(4) }, () => value(depth + 1))
  return Object.fromEntries(Array.from({ length: below(4) }, () => [oneOf(TEXTS), value(depth + 1)]))
}
const object = () => ({ name: oneOf(TEXTS), more: value(2) })

test('texts of any kind, whole', () => {
  for (let round = 0; round < 3_000; round++) {
    const files = Array.from({ length: below(6) }, object)
    const text = JSON.stringify({ [oneOf(TEXTS.slice(0, -1))]: value(1), files, zz: value(1) }, null, oneOf([0, 1, '\t']))
    const pieces = oneOf([1, 2, 3, 7, 50, 5_000])
    const { rest, elements } = read(text, () => 1 + below(pieces))
    const expected = JSON.parse(text) as { files: unknown[] }
    assert.deepEqual({ ...rest, files: [] }, { ...expected, files: [] }, text)
    assert.deepEqual(elements, expected.files, text)
  }
})

test('texts with something lost, added or changed are JSON for both, or for neither', () => {
  for (let round = 0; round < 6_000; round++) {
    const text = JSON.stringify({ files: Array.from({ length: 1 + below(3) }, object), more: value(1) })
    const at = below(text.length)
    const damaged = (text.slice(0, at) + oneOf(['', '', ...'"\\,:[]{} 1n']) + text.slice(at + below(2))).toWellFormed()
    const expected = parsed(damaged)
    let got: ReturnType<typeof read> | null
    try {
      got = read(damaged, () => 1 + below(9))
    } catch (error) {
      assert.ok(error instanceof Refused, String(error))
      got = null
    }
    // Elements that are no objects or lists are handed on as undefined, and refused by who takes them.
    const isOfObjects = Array.isArray(expected?.files) && expected.files.every((file) => typeof file === 'object' && file !== null)
    if (got === null) assert.ok(expected === null || !isOfObjects || damaged.split('"files"').length > 2, damaged)
    else if (got.elements.length > 0) assert.deepEqual(got.elements, expected?.files, damaged)
    else assert.deepEqual(got.rest, expected, damaged)
  }
})
