// Keys of the blob store: each follows from hash and operation, tells the hash again, and lies where versions before put it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FORMATS } from '../../src/image.ts'
import { originalKey, renditionKey, sha256OfKey } from '../../src/rendition/keys.ts'

const SHA256 = '0123456789abcdef'.repeat(4)

test('originals lie in a folder by the first byte of their hash', () => {
  assert.equal(originalKey(SHA256), `originals/01/${SHA256}`)
})

test('what versions before made of the first pipeline has the name that those gave it', () => {
  for (const { extension } of Object.values(FORMATS))
    assert.equal(renditionKey(SHA256, `w1500.p1.${extension}`), `renditions/01/${SHA256}-v1.${extension}`)
  assert.equal(renditionKey(SHA256, 'w320-still.p1.webp'), `renditions/01/${SHA256}-v1-thumbnail.webp`)
})

test('everything else has the name of its operation, and no two the same', () => {
  const operations = [
    'w1500.p2.jpg',
    'w1500.p10.jpg',
    'w1500-q80.p1.jpg',
    'w1500-still.p1.gif',
    'w150.p1.jpg',
    'w320-still.p2.webp',
    'w320-still.p1.jpg',
    'w320.p1.webp',
    'w320-q80-still.p1.webp',
    'w640-q60.p1.webp',
  ]
  for (const operation of operations) assert.equal(renditionKey(SHA256, operation), `renditions/01/${SHA256}-${operation}`)
})

test('what is no operation has no key', () => {
  for (const text of ['', 'v1.jpg', 'w1500.p1.jpg/../x', '../../originals', 'w1500.p1.tiff'])
    assert.throws(() => renditionKey(SHA256, text), /is not an operation/)
})

test('a key tells whose it is, and a file of somebody else is nobody’s', () => {
  for (const key of [
    originalKey(SHA256),
    ...['w1500.p1.jpg', 'w320-still.p1.webp', 'w640-q60.p12.avif', 'w1.p1.gif'].map((operation) => renditionKey(SHA256, operation)),
    // Of versions that are still to come, and of those before.
    `renditions/01/${SHA256}-v9.jpg`,
    `renditions/01/${SHA256}.something`,
  ])
    assert.equal(sha256OfKey(key), SHA256, key)
  for (const key of [
    'originals/00/README',
    `originals/01/${SHA256}0`,
    `originals/01/x${SHA256}`,
    `originals/01/${SHA256.toUpperCase()}`,
    SHA256,
  ])
    assert.equal(sha256OfKey(key), null, key)
})
