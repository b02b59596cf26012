// The AV1 sequence header, read as far as the range of its sample values: the last place an AVIF may state it.

/** Reads bits from the most significant one on; past the end they are 0. */
class Bits {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** At most 32 of them, as an unsigned number. */
  take(count: number): number {
    let value = 0
    for (let i = 0; i < count; i++, this.#at++) {
      value = value * 2 + (((this.#bytes[this.#at >> 3] ?? 0) >> (7 - (this.#at & 7))) & 1)
    }
    return value
  }

  flag(): boolean {
    return this.take(1) === 1
  }

  /** uvlc() of AV1, 4.10.3, for its length alone. */
  skipVariableLength(): void {
    let zeros = 0
    while (zeros < 32 && !this.flag()) zeros++
    this.take(zeros)
  }
}

const SEQUENCE_HEADER = 1

/**
 * Whether the first sequence header among these open bitstream units (AV1 5.3, 5.5) describes monochrome samples of limited range; null
 * when there is none.
 */
export function isLimitedMonochromeSequence(units: Buffer): boolean | null {
  for (let at = 0; at < units.length;) {
    const header = units[at++]!
    if (header & 0x04) at++
    let size = units.length - at
    if (header & 0x02) {
      // leb128() of AV1, 4.10.5.
      size = 0
      for (let i = 0; i < 8; i++) {
        const byte = units[at++] ?? 0
        size += (byte & 0x7f) * 2 ** (7 * i)
        if (!(byte & 0x80)) break
      }
    }
    if (((header >> 3) & 0x0f) === SEQUENCE_HEADER) return readSequenceHeader(new Bits(units.subarray(at, at + size)))
    at += size
  }
  return null
}

/** sequence_header_obu() of AV1, 5.5.1, up to color_range in color_config(), 5.5.2. */
function readSequenceHeader(bits: Bits): boolean {
  const profile = bits.take(3)
  bits.flag()
  const isReduced = bits.flag()
  if (isReduced) bits.take(5)
  else skipOperatingPoints(bits)

  const [widthBits, heightBits] = [bits.take(4) + 1, bits.take(4) + 1]
  bits.take(widthBits)
  bits.take(heightBits)
  if (!isReduced && bits.flag()) bits.take(7)
  bits.take(3)
  if (!isReduced) skipInterTools(bits)
  bits.take(3)

  const isHighDepth = bits.flag()
  if (profile === 2 && isHighDepth) bits.flag()
  const isMonochrome = profile !== 1 && bits.flag()
  if (bits.flag()) bits.take(24)
  return isMonochrome && !bits.flag()
}

function skipOperatingPoints(bits: Bits): void {
  let delayBits = 0
  if (bits.flag()) {
    bits.take(32)
    bits.take(32)
    if (bits.flag()) bits.skipVariableLength()
    if (bits.flag()) {
      delayBits = bits.take(5) + 1
      bits.take(32)
      bits.take(10)
    }
  }
  const hasDisplayDelay = bits.flag()
  for (let left = bits.take(5) + 1; left > 0; left--) {
    bits.take(12)
    if (bits.take(5) > 7) bits.flag()
    if (delayBits > 0 && bits.flag()) {
      bits.take(delayBits)
      bits.take(delayBits)
      bits.flag()
    }
    if (hasDisplayDelay && bits.flag()) bits.take(4)
  }
}

function skipInterTools(bits: Bits): void {
  bits.take(4)
  const hasOrderHint = bits.flag()
  if (hasOrderHint) bits.take(2)
  const choosesScreenContent = bits.flag()
  const mayBeScreenContent = choosesScreenContent || bits.flag()
  if (mayBeScreenContent && !bits.flag()) bits.flag()
  if (hasOrderHint) bits.take(3)
}
