// A line of CSV that no spreadsheet takes for more than text.

// What begins like that is a formula to a spreadsheet, which runs it (https://owasp.org/www-community/attacks/CSV_Injection).
const FORMULA = /^[=+\-@\t\r]/

/** By RFC 4180, every cell quoted; one that would be a formula has a `'` before it. */
export const csvLine = (cells: string[]): string =>
  `${cells.map((cell) => `"${(FORMULA.test(cell) ? `'${cell}` : cell).replaceAll('"', '""')}"`).join(',')}\r\n`
