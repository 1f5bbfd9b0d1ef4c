// Rows like those of tests/bench's table, whose columns for gdb stay empty: it draws no schedule.
const WIDTHS = [70, 13, 10, 7, 6, 7];
/** The exit status when a bound was missed; an error's is 1. */
const MISSED = 3;

/**
 * Prints a row, and lets the process say so when its bound is missed.
 *
 * @param {string} what
 * @param {number} ours
 * @param {number} bound the most it may be
 * @param {'ms' | 'MB'} unit
 */
export function figure(what, ours, bound, unit) {
  const isKept = ours <= bound;
  const shown = `${ours < 100 ? ours.toFixed(1) : Math.round(ours)} ${unit}`;
  const cells = [what, `≤ ${bound} ${unit}`, shown, 'cannot', '', isKept ? 'yes' : 'NO'];
  console.log(`| ${cells.map((cell, at) => cell.padEnd(WIDTHS[at])).join(' | ')} |`);
  if (!isKept) {
    process.exitCode = MISSED;
  }
}
