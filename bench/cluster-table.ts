// The tables that the benches of the cluster print for people.

/** Rows of cells in columns: the first to the left, the others to the right. */
export function columns(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const pad = (cell: string, column: number) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))
  return rows.map((row) => row.map(pad).join('   ').trimEnd()).join('\n')
}
