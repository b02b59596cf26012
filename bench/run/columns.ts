// The tables that the benches print for people.

/** Rows of cells in columns: the first to the left, the others to the right. */
export function columns(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const pad = (cell: string, column: number) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))
  return rows.map((row) => row.map(pad).join('   ').trimEnd()).join('\n')
}

/** A number with so many digits after its point; empty where there is none. */
export const cell = (value: number | null | undefined, digits = 0) => (value === null || value === undefined ? '' : value.toFixed(digits))
