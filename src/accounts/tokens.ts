// Secrets that are handed out once: made by chance, kept only as their hash.
import { createHash, randomBytes } from 'node:crypto'

// 256 bits: a plain SHA-256 of it can't be guessed back, so that looking one up costs nothing.
const TOKEN_BYTES = 32
const KEY_START = 'calo_'
/** Of a key, as lists show it. */
const PREFIX_LENGTH = KEY_START.length + 6

export const newToken = () => randomBytes(TOKEN_BYTES).toString('base64url')

/** With a beginning that tells what it is, to people and to programs that look for secrets in public code. */
export const newKey = () => KEY_START + newToken()

export const prefixOf = (key: string) => key.slice(0, PREFIX_LENGTH)

export const hashToken = (token: string) => createHash('sha256').update(token).digest('hex')
