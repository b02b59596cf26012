// What makes a browser known: a token that only the password it was made with, of the user it was made for, vouches for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEVICE_LIFETIME_MS, deviceToken, newDeviceId, readDevice } from '../../src/accounts/sessions/known-device.ts'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const owner = { userId: '0198-a', passwordHash: 'scrypt$32768$8$3$salt$hash' }

test('is read back until it expires, for its owner and their password alone', () => {
  const id = newDeviceId()
  const token = deviceToken(owner, id)
  assert.equal(readDevice(owner, token), id)
  assert.equal(readDevice(owner, token, Date.now() + DEVICE_LIFETIME_MS + 1_000), null)
  assert.equal(readDevice({ ...owner, userId: '0198-b' }, token), null)
  assert.equal(readDevice({ ...owner, passwordHash: 'scrypt$32768$8$3$salt$other' }, token), null)
})

test('is refused for every letter that is changed, and for whatever else comes', () => {
  const token = deviceToken(owner, newDeviceId())
  // Every other spelling of the last letter, too: three of them decode to the same bytes.
  for (const letter of LETTERS) {
    const changed = token.slice(0, -1) + letter
    assert.equal(readDevice(owner, changed), changed === token ? token.split('.')[0] : null, changed)
  }
  for (let at = 0; at < token.length; at += 1) {
    const changed = `${token.slice(0, at)}${token[at] === '-' ? '_' : '-'}${token.slice(at + 1)}`
    assert.equal(readDevice(owner, changed), null, changed)
  }
  for (const other of [undefined, '', '.', '..', token.slice(1), `${token}A`, 'é'.repeat(80), 'A'.repeat(100_000)]) {
    assert.equal(readDevice(owner, other), null, other?.slice(0, 40))
  }
})
