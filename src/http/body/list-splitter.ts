// A JSON object with one long list in it, piece by piece: each element of the list is parsed and handed on as soon as it is whole.

/** Text beside the elements: the rest of the object, which is parsed at the end. */
const MAX_REST_BYTES = 64 * 1024
const MAX_MEMBER_BYTES = 256

export interface ListSplitterOptions {
  /** The member of the object that has the list. */
  member: string
  maxElementBytes: number
  /** Levels of objects and lists in each other, within an element or in the rest. */
  maxDepth: number
  /** Called with each object or list in the list, in order, and with undefined for anything else. What it throws ends the reading. */
  onElement: (element: unknown, index: number) => void
  /** Makes an error for text that is not JSON, or that passes a limit; the sentence says which. */
  refuse: (sentence: string) => Error
}

// Bytes of UTF-8, none of which is part of another character: `"` `\` `,` `[` `]` `{` `}`.
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

const NOT_JSON = 'The body is not valid JSON.'

/**
 * Takes the bytes of the text in pieces of any size. Only where one thing in the text ends and the next begins is told here; what they are,
 * `JSON.parse` decides, so a whole text means what it means there, and costs about as much. Memory is that of one element and of the rest.
 */
export class ListSplitter {
  readonly #options: ListSplitterOptions
  readonly #member: RegExp
  #depth = 0
  #isInText = false
  #isEscaped = false
  /** The text but for the elements, a character for each byte. */
  #rest = ''
  #list: 'before' | 'within' | 'after' = 'before'
  /** Within the list: what may come next. */
  #next: 'first' | 'element' | 'comma' = 'first'
  #index = 0
  /** Of an element that goes on in the next piece. */
  #begun: Buffer[] = []
  #begunBytes = 0

  constructor(options: ListSplitterOptions) {
    this.#options = options
    this.#member = new RegExp(`(?<!\\\\)"${options.member}"\\s*:\\s*$`)
  }

  write(piece: Buffer): void {
    // Where what is kept together begins: an element, or a part of the rest.
    let from = 0
    for (let at = 0; at < piece.length; at++) {
      if (this.#isInText) {
        at = this.#textEnd(piece, at)
        continue
      }
      const byte = piece[at]!
      if (this.#list === 'within' && this.#depth === 2) {
        this.#between(byte)
        // An element has begun, or the rest goes on with the end of the list.
        if (this.#depth !== 2) from = at
      } else if (byte === QUOTE) this.#isInText = true
      else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        this.#deeper()
        if (byte === OPEN_LIST && this.#depth === 2 && this.#isMember(piece.subarray(from, at))) this.#enter(piece.subarray(from, at + 1))
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
        this.#depth--
        if (this.#list === 'within' && this.#depth === 2) this.#end(piece.subarray(from, at + 1))
      }
    }
    if (this.#list !== 'within') this.#keep(piece.subarray(from))
    else if (this.#depth > 2) this.#begin(piece.subarray(from))
  }

  /** At the end of the text: the object, with an empty list in place of the one that was handed on; or whatever else the text is. */
  end(): unknown {
    if (this.#list === 'within') throw this.#options.refuse(NOT_JSON)
    return this.#parse(Buffer.from(this.#rest, 'latin1'))
  }

  #deeper(): void {
    this.#depth++
    if (this.#depth > this.#options.maxDepth) throw this.#options.refuse('The body has objects or lists too deep in each other.')
  }

  #enter(rest: Buffer): void {
    if (this.#list === 'after') throw this.#options.refuse(`The body has "${this.#options.member}" twice.`)
    this.#keep(rest)
    this.#list = 'within'
  }

  /** A byte of the list that is in none of its elements. */
  #between(byte: number): void {
    if (isSpace(byte)) return
    if (byte === COMMA) {
      this.#expect('comma')
      this.#next = 'element'
    } else if (byte === CLOSE_LIST) {
      this.#expect('first', 'comma')
      this.#list = 'after'
      this.#depth--
    } else {
      this.#expect('first', 'element')
      if (byte === OPEN_OBJECT || byte === OPEN_LIST) return this.#deeper()
      // Numbers, texts and the like, or nothing at all.
      this.#options.onElement(undefined, this.#index)
      throw this.#options.refuse(NOT_JSON)
    }
  }

  /** The place of the quote that ends the text, or of the end of the piece. */
  #textEnd(piece: Buffer, from: number): number {
    for (let at = from; at < piece.length; at++) {
      if (this.#isEscaped) this.#isEscaped = false
      else if (piece[at] === BACKSLASH) this.#isEscaped = true
      else if (piece[at] === QUOTE) {
        this.#isInText = false
        return at
      }
    }
    return piece.length
  }

  #expect(...states: ListSplitterState[]): void {
    if (!states.includes(this.#next)) throw this.#options.refuse(NOT_JSON)
  }

  /** Whether what comes next is the value of the member. One that is written in a way nobody writes it stays in the rest. */
  #isMember(piece: Buffer): boolean {
    const before = this.#rest.slice(-MAX_MEMBER_BYTES) + piece.subarray(-MAX_MEMBER_BYTES).toString('latin1')
    return this.#member.test(before)
  }

  #keep(part: Buffer): void {
    if (this.#rest.length + part.length > MAX_REST_BYTES) throw this.#options.refuse('The body has more than this call takes.')
    this.#rest += part.toString('latin1')
  }

  #begin(part: Buffer): void {
    this.#begunBytes += part.length
    if (this.#begunBytes > this.#options.maxElementBytes) {
      throw this.#options.refuse(
        `"${this.#options.member}/${this.#index}" in the body is larger than ${this.#options.maxElementBytes} bytes.`,
      )
    }
    // A copy: the piece is of a buffer that is used again, and would be held whole.
    this.#begun.push(Buffer.from(part))
  }

  #end(part: Buffer): void {
    this.#begin(part)
    const element = this.#parse(this.#begun.length === 1 ? this.#begun[0]! : Buffer.concat(this.#begun))
    this.#begun = []
    this.#begunBytes = 0
    this.#next = 'comma'
    this.#options.onElement(element, this.#index++)
  }

  #parse(text: Buffer): unknown {
    try {
      return JSON.parse(text.toString())
    } catch {
      throw this.#options.refuse(NOT_JSON)
    }
  }
}

type ListSplitterState = 'first' | 'element' | 'comma'
