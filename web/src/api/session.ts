// The news that a session has ended, which any call may be the first to hear, and that one has begun again.
type Listener = () => void

const onEnded = new Set<Listener>()
const onBegun = new Set<Listener>()
const tell = (listeners: Set<Listener>) => listeners.forEach((listener) => listener())

export const session = {
  ended: () => tell(onEnded),
  signedIn: () => tell(onBegun),
  onEnded: (listener: Listener) => void onEnded.add(listener),
  onBegun: (listener: Listener) => void onBegun.add(listener),
  /** Resolves when someone signs in. */
  begun: () =>
    new Promise<void>((resolve) => {
      const once = () => {
        onBegun.delete(once)
        resolve()
      }
      onBegun.add(once)
    }),
}
