// How the runner of the long form of the faults knows a line of its table among what tests say.
export const MARK = 'figures '
