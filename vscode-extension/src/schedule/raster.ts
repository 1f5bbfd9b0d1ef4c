/**
 * Lanes as pixels. Software rendering of some ten thousand rectangles takes tens of milliseconds a frame, this takes a few.
 *
 * Shapes tell states apart as well as colours do: solid runs, a level lines wait for a core, a thin line is blocked, stripes run
 * in the hypervisor, diagonals are not known, and the other diagonals are the debugger's halts. What occurs but would be thinner
 * than a pixel gets a pixel.
 */
import { CELL, FULL, type Row } from './model';
import type { Palette, Pixel } from './palette';
import { ALARMING, BLOCKED, HYPERVISOR, LOST, NOTED, NOT_KNOWN, OFFLINE, RUNNABLE, RUNNING, UNKNOWN } from './span';

/** The pixels of the lanes, in device pixels. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array;
}

/** Where a lane is drawn: first row of pixels, rows of marks at its top, rows of its body below them. */
export interface Band {
  readonly top: number;
  readonly marks: number;
  readonly body: number;
}

/** The colours of whoever is on the other side, by lane or core: a core's vCPU has its VM's. */
export type ColourOf = (party: number) => { pixel: Pixel; darker: Pixel };

/** Draws a lane's cells into its band, from column `left` on. */
export function drawLane(raster: Raster, left: number, band: Band, row: Row, colourOf: ColourOf, palette: Palette): void {
  const { pixels, width } = raster;
  const { body } = band;
  const bottom = (band.top + band.marks + body - 1) * width;
  const line = Math.max(1, Math.round(body / 12));
  const pitch = Math.max(2, Math.round(body / 16) * 3);
  let [party, colour] = [-1, colourOf(0)];
  for (let x = 0; x < row.width; x++) {
    const at = x * CELL;
    const flags = row.cells[at] ?? 0;
    if (flags === 0) {
      continue;
    }
    const next = row.cells[at + 1] ?? 0;
    if (next !== party) {
      party = next;
      colour = colourOf(next);
    }
    const foot = bottom + left + x;
    const { pixel, darker } = colour;
    // From the bottom upwards: what runs, what waits, then nothing.
    let drawn = Math.min(rows(row, at, RUNNING, flags, body), body);
    fill(pixels, foot, width, 0, drawn, pixel);
    if ((flags & (1 << HYPERVISOR)) !== 0) {
      const end = Math.min(drawn + rows(row, at, HYPERVISOR, flags, body), body);
      fill(pixels, foot, width, drawn, end, (x & 2) === 0 ? darker : pixel);
      drawn = end;
    }
    if ((flags & (1 << RUNNABLE)) !== 0) {
      const end = Math.min(drawn + rows(row, at, RUNNABLE, flags, body), body);
      pattern(pixels, foot, width, drawn, end, pixel, palette.backgroundPixel, 0, pitch);
      drawn = end;
    }
    if ((flags & (1 << BLOCKED)) !== 0 && drawn < line) {
      fill(pixels, foot, width, drawn, line, palette.dimPixel);
      drawn = line;
    }
    if ((flags & (1 << OFFLINE)) !== 0) {
      const end = Math.min(drawn + (rows(row, at, OFFLINE, flags, body) >> 2), body);
      pattern(pixels, foot, width, drawn, end, palette.dimPixel, palette.backgroundPixel, x, 6);
    }
    if ((flags & NOT_KNOWN) !== 0) {
      // Over whatever is there, from the top downwards.
      const unknown = rows(row, at, LOST, flags, body) + rows(row, at, UNKNOWN, flags, body);
      const height = Math.min(Math.max(unknown, line * 2), body);
      pattern(pixels, foot, width, body - height, body, palette.hatchPixel, palette.backgroundPixel, body * 5 + x, 5);
    }
  }
}

/** How many rows a state gets: its share, but one at least where it occurs. */
function rows(row: Row, at: number, state: number, flags: number, body: number): number {
  const share = row.cells[at + 2 + state] ?? 0;
  const count = Math.trunc((share * body) / FULL + 0.5);
  return count === 0 && share > 0 && (flags & (1 << state)) !== 0 ? 1 : count;
}

/** Fills rows `from` to `to` of a column, counted upwards from its foot. */
function fill(pixels: Uint32Array, foot: number, width: number, from: number, to: number, colour: Pixel): void {
  for (let y = from, at = foot - from * width; y < to; y++, at -= width) {
    pixels[at] = colour;
  }
}

/** The same with two colours in turns, each for half a `period`: lines, or diagonals where `shift` is the column. */
function pattern(
  pixels: Uint32Array,
  foot: number,
  width: number,
  from: number,
  to: number,
  colour: Pixel,
  other: Pixel,
  shift: number,
  period: number,
): void {
  const on = period / 2;
  for (let y = from, at = foot - from * width; y < to; y++, at -= width) {
    pixels[at] = (y + shift) % period < on ? colour : other;
  }
}

/** Draws a mark into the band of a lane: as high as it is important. `kinds` has a bit for each kind that is there. */
export function drawMark(raster: Raster, x: number, band: Band, kinds: number, palette: Palette): void {
  const isAlarm = (kinds & ALARMING) !== 0;
  const isNote = (kinds & NOTED) !== 0;
  const colour = isAlarm ? palette.alarmPixel : isNote ? palette.notePixel : palette.dimPixel;
  const height = isAlarm || isNote ? band.marks : band.marks >> 1;
  for (let y = band.marks - height; y < band.marks; y++) {
    raster.pixels[(band.top + y) * raster.width + x] = colour;
  }
}

/** How high the sign of a short halt among much else is. */
const TICK = 6;

/** Hatches columns, from row `top` downwards, in which the debugger held the machine. `row` is the machine's lane. */
export function drawHalts(raster: Raster, left: number, top: number, row: Row, palette: Palette): void {
  for (let x = 0; x < row.width; x++) {
    const share = row.cells[x * CELL + 2 + OFFLINE] ?? 0;
    const isHalted = ((row.cells[x * CELL] ?? 0) & (1 << OFFLINE)) !== 0;
    const isWhole = share * 2 >= FULL;
    const bottom = isWhole ? raster.height : isHalted ? Math.min(top + TICK, raster.height) : top;
    for (let y = top; y < bottom; y++) {
      if (!isWhole || (x + y) % 8 < 2) {
        raster.pixels[y * raster.width + left + x] = palette.haltPixel;
      }
    }
  }
}
