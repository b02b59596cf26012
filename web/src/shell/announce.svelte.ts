// What a screen reader is told politely, when it has nothing else to say.

class Announcer {
  message = $state.raw('')

  /** Said once; the same sentence twice in a row is heard twice. */
  say(sentence: string): void {
    // A live region speaks when its text changes: a space that nobody hears makes it another.
    this.message = sentence === this.message ? `${sentence}\u00a0` : sentence
  }
}

export const announcer = new Announcer()
