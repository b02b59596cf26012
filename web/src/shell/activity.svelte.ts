// What goes on in the tab whatever page is shown: an upload, told by a line below the header.

class Activity {
  /** How much of it is done, from 0 to 1; null when nothing goes on. */
  share = $state.raw<number | null>(null)
}

export const activity = new Activity()
