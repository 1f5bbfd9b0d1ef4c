/**
 * The schedule as it is drawn: an answered window in typed arrays, what each pixel of a lane shows at any zoom, and what is under a point.
 * All pure. Ticks are relative to the timeline's beginning, where a double is exact for 2⁵³ of them.
 */
import type { Lane, Schedule } from '../protocol/schedule';
import { unpackCells, unpackCounts, unpackMarks, unpackSpans } from './packed';
import { plain } from './plain';
import { HYPERVISOR, NOBODY, RUNNING, STATES } from './span';
import { pixelOf, tickAt, type Viewport } from './viewport';

/** Whose a lane is. */
export type LaneInfo = Pick<Lane, 'lane' | 'kind' | 'name' | 'guest' | 'index'>;

/** The spans of a lane, in order; number `n` lasts from `starts[n]` to `starts[n + 1]`. */
export interface Spans {
  /** One more than there are spans. */
  readonly starts: Float64Array;
  readonly states: Uint8Array;
  /** A vCPU's core, or the lane of a core's vCPU. */
  readonly parties: Uint16Array;
  readonly causes: Uint8Array;
  readonly flags: Uint16Array;
}

/** Numbers of a cell: flags, party, and the share of each state, of 65535. */
export const CELL = 2 + STATES;
/** A share that is the whole cell. */
export const FULL = 65535;
/** Numbers of a mark: tick, kind, value, lane of whoever caused it. */
export const MARK = 4;

/** A lane of a picture: exact spans or cells, exact marks or counts. */
export interface LanePicture {
  readonly info: LaneInfo;
  readonly spans?: Spans;
  readonly cells?: Uint16Array;
  readonly marks?: Float64Array;
  /** Two numbers for each cell: how many marks, and bit n for kind n. */
  readonly counts?: Uint32Array;
}

/** A window as it was answered. */
export interface Picture extends Viewport {
  /** Cells of a lane. */
  readonly width: number;
  readonly lanes: ReadonlyMap<number, LanePicture>;
}

/** Takes a packed answer apart. `base` is the tick that all others are counted from. */
export function pictureOf(schedule: Schedule, base: number): Picture {
  const lanes = schedule.lanes.map((lane) => [lane.lane, laneOf(lane, base)] as const);
  return { from: schedule.from - base, to: schedule.to - base, width: schedule.width, lanes: new Map(lanes) };
}

function laneOf(lane: Lane, base: number): LanePicture {
  const { lane: number, kind, guest, index } = lane;
  const name = plain(lane.name);
  const info: LaneInfo = { lane: number, kind, name, ...(guest === undefined ? {} : { guest }), ...(index === undefined ? {} : { index }) };
  return {
    info,
    ...(lane.packedSpans === undefined ? {} : { spans: unpackSpans(lane.packedSpans, lane.end ?? 0, base) }),
    ...(lane.packedCells === undefined ? {} : { cells: unpackCells(lane.packedCells) }),
    ...(lane.packedMarks === undefined ? {} : { marks: unpackMarks(lane.packedMarks, base) }),
    ...(lane.packedCounts === undefined ? {} : { counts: unpackCounts(lane.packedCounts) }),
  };
}

/** What the pixels of a lane show, one cell of {@link CELL} numbers each. Reused from frame to frame. */
export class Row {
  readonly cells: Uint16Array;

  constructor(readonly width: number) {
    this.cells = new Uint16Array(width * CELL);
  }
}

/** Fills a row with what a lane of a picture shows in a viewport; what the picture does not tell is taken from `behind`, if that does. */
export function fillRow(row: Row, lane: number, viewport: Viewport, picture: Picture, behind: Picture): void {
  row.cells.fill(0);
  const covered = fillFrom(row, lane, viewport, picture, 0, row.width);
  if (picture !== behind) {
    fillFrom(row, lane, viewport, behind, 0, covered.from);
    fillFrom(row, lane, viewport, behind, covered.to, row.width);
  }
}

/** Fills the pixels between two that the picture covers, and tells which. */
function fillFrom(row: Row, number: number, viewport: Viewport, picture: Picture, first: number, end: number): { from: number; to: number } {
  const lane = picture.lanes.get(number);
  const edge = (tick: number) => Math.min(Math.max(Math.round(pixelOf(viewport, row.width, tick)), first), end);
  const [from, to] = [edge(picture.from), edge(picture.to)];
  if (!lane || from >= to) {
    return { from: end, to: end };
  }
  if (lane.cells) {
    resample(row, lane.cells, viewport, picture, from, to);
  } else if (lane.spans) {
    sample(row, lane.spans, viewport, from, to);
  }
  return { from, to };
}

/** Cells of another width: each pixel the mean of those below it, with all their flags. */
function resample(row: Row, source: Uint16Array, viewport: Viewport, picture: Picture, from: number, to: number): void {
  const count = Math.floor(source.length / CELL);
  const perTick = count / (picture.to - picture.from);
  // In cells: where the first pixel begins, and how much one is.
  const start = (viewport.from - picture.from) * perTick;
  const step = ((viewport.to - viewport.from) / row.width) * perTick;
  const { cells } = row;
  for (let pixel = from; pixel < to; pixel++) {
    const first = step <= 1 ? Math.floor(start + (pixel + 0.5) * step) : Math.round(start + pixel * step);
    const a = first < 0 ? 0 : first >= count ? count - 1 : first;
    const b = step <= 1 ? a + 1 : Math.min(Math.max(Math.round(start + (pixel + 1) * step), a + 1), count);
    if (b - a === 1) {
      for (let at = a * CELL, out = pixel * CELL, end = out + CELL; out < end; at++, out++) {
        cells[out] = source[at] ?? 0;
      }
    } else {
      mean(cells, pixel * CELL, source, a, b);
    }
  }
}

/** The mean of cells `a` to `b`; the party is that of the cell that runs most. */
function mean(target: Uint16Array, out: number, source: Uint16Array, a: number, b: number): void {
  let [flags, party, most] = [0, NOBODY, -1];
  for (let at = a * CELL; at < b * CELL; at += CELL) {
    flags |= source[at] ?? 0;
    const running = source[at + 2 + RUNNING] ?? 0;
    if (running > most) {
      [party, most] = [source[at + 1] ?? NOBODY, running];
    }
  }
  target[out] = flags;
  target[out + 1] = party;
  for (let state = 2; state < CELL; state++) {
    let sum = 0;
    for (let at = a * CELL; at < b * CELL; at += CELL) {
      sum += source[at + state] ?? 0;
    }
    target[out + state] = sum / (b - a);
  }
}

/** Exact spans: each pixel gets its share of every state. Where two long spans meet, the pixel is that of the larger part. */
function sample(row: Row, spans: Spans, viewport: Viewport, from: number, to: number): void {
  const shares = new Float64Array(STATES);
  const perPixel = (viewport.to - viewport.from) / row.width;
  let span = spanAt(spans, tickAt(viewport, row.width, from));
  for (let pixel = from; pixel < to; pixel++) {
    const begin = tickAt(viewport, row.width, pixel);
    const end = begin + perPixel;
    shares.fill(0);
    let [flags, party, most, seen, large, largest] = [0, NOBODY, -1, 0, 0, -1];
    for (let next = span; next < spans.states.length && (spans.starts[next] ?? 0) < end; next++) {
      const length = Math.min(spans.starts[next + 1] ?? 0, end) - Math.max(spans.starts[next] ?? 0, begin);
      if (length < 0) {
        continue;
      }
      span = next;
      seen += 1;
      const state = spans.states[next] ?? 0;
      shares[state] = (shares[state] ?? 0) + length;
      flags |= (spans.flags[next] ?? 0) | (1 << state);
      if (length > largest) {
        [large, largest] = [next, length];
      }
      if (length > most && (state === RUNNING || state === HYPERVISOR)) {
        [party, most] = [spans.parties[next] ?? NOBODY, length];
      }
    }
    const out = pixel * CELL;
    const isEdge = seen === 2 && longer(spans, large, perPixel) && longer(spans, large === span ? span - 1 : span, perPixel);
    if (isEdge) {
      shares.fill(0);
      const state = spans.states[large] ?? 0;
      shares[state] = Math.min(largest, perPixel) > 0 ? covered(spans, begin, end) : 0;
      flags = (spans.flags[large] ?? 0) | (1 << state);
      party = spans.parties[large] ?? NOBODY;
    }
    row.cells[out] = flags;
    row.cells[out + 1] = party;
    for (let state = 0; state < STATES; state++) {
      row.cells[out + 2 + state] = Math.min(FULL, ((shares[state] ?? 0) / perPixel) * FULL);
    }
  }
}

function longer(spans: Spans, span: number, ticks: number): boolean {
  return (spans.starts[span + 1] ?? 0) - (spans.starts[span] ?? 0) >= ticks;
}

/** How much of a stretch the lane tells of. */
function covered(spans: Spans, from: number, to: number): number {
  const [first, last] = [spans.starts[0] ?? 0, spans.starts[spans.states.length] ?? 0];
  return Math.max(0, Math.min(to, last) - Math.max(from, first));
}

/** The number of the span in which a tick lies; the first where it lies before all. */
export function spanAt(spans: Spans, tick: number): number {
  let [low, high] = [0, spans.states.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((spans.starts[middle] ?? 0) <= tick) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/** What is under a point: a span, or a cell of many. */
export type Hit =
  | { kind: 'span'; from: number; to: number; state: number; party: number; cause: number; flags: number }
  | { kind: 'cell'; from: number; to: number; flags: number; party: number; shares: readonly number[] };

/** What a lane shows at a tick; undefined where nothing is known or was asked. */
export function hit(lane: LanePicture | undefined, picture: Picture, tick: number): Hit | undefined {
  if (lane?.spans) {
    return hitSpan(lane.spans, tick);
  }
  if (!lane?.cells || tick < picture.from || tick >= picture.to) {
    return undefined;
  }
  const count = lane.cells.length / CELL;
  const length = (picture.to - picture.from) / count;
  const cell = Math.min(count - 1, Math.floor((tick - picture.from) / length));
  const from = picture.from + cell * length;
  const [flags = 0, party = NOBODY, ...shares] = lane.cells.subarray(cell * CELL, (cell + 1) * CELL);
  return shares.every((share) => share === 0) ? undefined : { kind: 'cell', from, to: from + length, flags, party, shares };
}

function hitSpan(spans: Spans, tick: number): Hit | undefined {
  const span = spanAt(spans, tick);
  const [from, to] = [spans.starts[span], spans.starts[span + 1]];
  if (from === undefined || to === undefined || tick < from || tick >= to) {
    return undefined;
  }
  return {
    kind: 'span',
    from,
    to,
    state: spans.states[span] ?? 0,
    party: spans.parties[span] ?? NOBODY,
    cause: spans.causes[span] ?? 0,
    flags: spans.flags[span] ?? 0,
  };
}

/** What part of a stretch a lane spent in each state, in ticks, from what a picture tells. */
export function timeInStates(lane: LanePicture, picture: Picture, { from, to }: Viewport): number[] {
  const sums = new Array<number>(STATES).fill(0);
  const add = (state: number, ticks: number) => {
    sums[state] = (sums[state] ?? 0) + Math.max(0, ticks);
  };
  if (lane.spans) {
    const { starts, states } = lane.spans;
    states.forEach((state, span) => {
      add(state, Math.min(starts[span + 1] ?? 0, to) - Math.max(starts[span] ?? 0, from));
    });
  } else if (lane.cells) {
    const count = lane.cells.length / CELL;
    const length = (picture.to - picture.from) / count;
    for (let cell = 0; cell < count; cell++) {
      const begin = picture.from + cell * length;
      const part = Math.max(0, Math.min(begin + length, to) - Math.max(begin, from)) / FULL;
      for (let state = 0; part > 0 && state < STATES; state++) {
        add(state, part * (lane.cells[cell * CELL + 2 + state] ?? 0));
      }
    }
  }
  return sums;
}
