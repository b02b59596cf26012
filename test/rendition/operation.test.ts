// The text of an operation, by which rows and blobs are found: one text for each operation, and nothing else is taken for one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FORMATS, type Format } from '../../src/image.ts'
import { operationText, parseOperation, type Operation } from '../../src/rendition/operation.ts'

function* operations(): Generator<Operation> {
  for (const format of Object.keys(FORMATS) as Format[])
    for (const width of [1, 9, 10, 320, 1500, 9_999, 10_000, 16_383])
      for (const quality of [undefined, 1, 9, 10, 60, 99, 100])
        for (const still of [undefined, true] as const)
          for (const pipeline of [1, 9, 10, 9_999])
            yield { width, format, pipeline, ...(quality !== undefined && { quality }), ...(still && { still }) }
}

test('reading it gives what was written, and no two operations have one text', () => {
  const texts = new Map<string, Operation>()
  for (const operation of operations()) {
    const text = operationText(operation)
    assert.deepEqual(parseOperation(text), operation)
    assert.equal(texts.has(text), false, text)
    texts.set(text, operation)
    // It is part of the name of a file, and of an address.
    assert.match(text, /^[a-z0-9.-]+$/)
  }
  assert.equal(texts.size, 5 * 8 * 7 * 2 * 4)
})

test('writing it gives what was read', () => {
  for (const text of ['w1500.p1.jpg', 'w320-still.p1.webp', 'w640-q60-still.p12.avif', 'w1-q1.p1.gif', 'w16383-q100.p9999.png'])
    assert.equal(operationText(parseOperation(text)), text)
})

test('the order in which an operation is put together, and what is not set, make no difference', () => {
  const one = operationText({ width: 320, format: 'webp', quality: 60, still: true, pipeline: 1 })
  const two = operationText({ pipeline: 1, still: true, quality: 60, format: 'webp', width: 320 })
  assert.deepEqual([one, two], ['w320-q60-still.p1.webp', 'w320-q60-still.p1.webp'])
})

const WRONG = [
  '',
  'w1500',
  'w1500.jpg',
  'w1500.p1',
  'w1500.p1.',
  'w1500.p1.jpeg',
  'w1500.p1.tiff',
  'w1500.p1.toString',
  'w1500.p1.JPG',
  'W1500.p1.jpg',
  '1500.p1.jpg',
  'w0.p1.jpg',
  'w01500.p1.jpg',
  'w-1500.p1.jpg',
  'w1.5e3.p1.jpg',
  'w16384.p1.jpg',
  'w99999.p1.jpg',
  'w100000.p1.jpg',
  'w1500.p0.jpg',
  'w1500.p01.jpg',
  'w1500.p10000.jpg',
  'w1500.p.jpg',
  'w1500-q0.p1.jpg',
  'w1500-q05.p1.jpg',
  'w1500-q101.p1.jpg',
  'w1500-q.p1.jpg',
  'w1500-q60-q60.p1.jpg',
  'w1500-still-q60.p1.jpg',
  'w1500-still-still.p1.jpg',
  'w1500-moving.p1.jpg',
  'w1500-.p1.jpg',
  'w1500.p1.jpg ',
  ' w1500.p1.jpg',
  'w1500.p1.jpg\n',
  'w1500.p1.jpg\0',
  'w1500.p1.jpg/../../originals',
  '../w1500.p1.jpg',
  'w1500 .p1.jpg',
  'w١٥٠٠.p1.jpg',
]

for (const text of WRONG) {
  test(`${JSON.stringify(text)} is none`, () => {
    assert.throws(() => parseOperation(text), /is not an operation/)
  })
}
