// The news that a session has ended, which any call may be the first to hear, and that one has begun again.
type Listener = () => void

const onEnded = new Set<Listener>()
const onBegun = new Set<Listener>()
const tell = (listeners: Set<Listener>) => [...listeners].forEach((listener) => listener())

class SessionNews {
  /** Counts sessions: a call that was made in an earlier one has nothing to say of this one. */
  turn = 0
  /** Nobody is signed in any more, until someone is. */
  isOver = false
  /** Whose page this is: what it asks, it asks in their name only, whoever signs in in another tab. Null without accounts. */
  userId: string | null = null

  /** Of a call that is made in the name of who this page is for. */
  get headers(): Record<string, string> {
    return this.userId === null ? {} : { 'calotype-user': this.userId }
  }

  /** Said by a call that was made in session `turn`. */
  ended(turn: number): void {
    if (turn !== this.turn) return
    this.isOver = true
    tell(onEnded)
  }

  signedIn(): void {
    this.turn++
    this.isOver = false
    tell(onBegun)
  }

  onEnded(listener: Listener): void {
    onEnded.add(listener)
  }

  onBegun(listener: Listener): void {
    onBegun.add(listener)
  }

  /** Resolves when someone signs in. */
  begun(): Promise<void> {
    return new Promise((resolve) => {
      const once = () => {
        onBegun.delete(once)
        resolve()
      }
      onBegun.add(once)
    })
  }
}

export const session = new SessionNews()
