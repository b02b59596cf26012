// A browser in which somebody has signed in before: known by a cookie that their password signs, so that wrong guesses of others don't keep them out.
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

const LIFETIME_DAYS = 180
export const DEVICE_LIFETIME_MS = LIFETIME_DAYS * 24 * 60 * 60_000

const KEY_BYTES = 32
const ID_BYTES = 16
/** So that the key is good for this and nothing else (RFC 5869, 3.2). */
const PURPOSE = 'calotype known device v1'

/** Whose device it is, with the hash that is stored of their password: another password ends all devices. */
export interface DeviceOwner {
  userId: string
  passwordHash: string
}

export const newDeviceId = () => randomBytes(ID_BYTES).toString('base64url')

/** A token for the cookie of a device: `ID.EXPIRES.MAC`. Only who reads the database can make one. */
export function deviceToken(owner: DeviceOwner, deviceId: string, expiresAt = Date.now() + DEVICE_LIFETIME_MS): string {
  const content = `${deviceId}.${expiresAt.toString(36)}`
  return `${content}.${macOf(owner, content).toString('base64url')}`
}

/** The id of the device, if the token was made for this owner, with the password they have now, and has not expired; else null. */
export function readDevice(owner: DeviceOwner, token: string | undefined, now = Date.now()): string | null {
  const [, content = '', deviceId = '', expiresAt = '', mac = ''] = /^(([\w-]{22})\.([0-9a-z]{1,11}))\.([\w-]{43})$/.exec(token ?? '') ?? []
  if (content === '' || parseInt(expiresAt, 36) <= now) return null
  // The texts are compared, not their bytes: base64url leaves the last two bits of 32 bytes open, so four texts decode to the same MAC.
  return timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(owner, content).toString('base64url'))) ? deviceId : null
}

function macOf({ userId, passwordHash }: DeviceOwner, content: string): Buffer {
  const key = Buffer.from(hkdfSync('sha256', passwordHash, userId, PURPOSE, KEY_BYTES))
  return createHmac('sha256', key).update(content).digest()
}
