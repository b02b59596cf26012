// The error a person is told of, where one has hidden another.

/** What failed first, where closing what was open by then has failed as well. */
export const unsuppressed = (error: unknown): unknown => (error instanceof SuppressedError ? unsuppressed(error.suppressed) : error)
