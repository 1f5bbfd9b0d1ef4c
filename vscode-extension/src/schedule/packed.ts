/**
 * The packed arrays of `hvdap/schedule` as typed arrays (see `adapter/src/trace/packed.rs`). Ticks are taken apart into halves of 32 bits,
 * so that those relative to the base are exact whatever the counter says. Pages run on little-endian machines only, as browsers do.
 */
import type { Spans } from './model';

const HALF = 2 ** 32;

function wordsOf(base64: string): Uint32Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length & ~3);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = text.charCodeAt(at);
  }
  return new Uint32Array(bytes.buffer);
}

/** Ticks from `base` on, of a 64-bit number in two words. */
function relativeTo(base: number): (low: number, high: number) => number {
  const [baseHigh, baseLow] = [Math.floor(base / HALF), base % HALF];
  return (low, high) => (high - baseHigh) * HALF + (low - baseLow);
}

/** Spans of 16 bytes, the last ending at `end`. */
export function unpackSpans(base64: string, end: number, base: number): Spans {
  const words = wordsOf(base64);
  const count = words.length >> 2;
  const relative = relativeTo(base);
  const spans: Spans = {
    starts: new Float64Array(count + 1),
    states: new Uint8Array(count),
    parties: new Uint16Array(count),
    causes: new Uint8Array(count),
    flags: new Uint16Array(count),
  };
  for (let span = 0; span < count; span++) {
    const at = span * 4;
    const middle = words[at + 2] ?? 0;
    spans.starts[span] = relative(words[at] ?? 0, words[at + 1] ?? 0);
    spans.states[span] = middle & 0xff;
    spans.causes[span] = (middle >> 8) & 0xff;
    spans.parties[span] = middle >>> 16;
    spans.flags[span] = (words[at + 3] ?? 0) & 0xffff;
  }
  spans.starts[count] = end - base;
  return spans;
}

/** Cells of nine 16-bit numbers. */
export function unpackCells(base64: string): Uint16Array {
  const text = atob(base64);
  const cells = new Uint16Array(text.length >> 1);
  for (let at = 0; at < cells.length; at++) {
    cells[at] = text.charCodeAt(2 * at) | (text.charCodeAt(2 * at + 1) << 8);
  }
  return cells;
}

/** Marks of 24 bytes, as four numbers each: tick, kind, value, lane of whoever caused it. */
export function unpackMarks(base64: string, base: number): Float64Array {
  const words = wordsOf(base64);
  const relative = relativeTo(base);
  const marks = new Float64Array(Math.floor(words.length / 6) * 4);
  for (let from = 0, to = 0; to < marks.length; from += 6, to += 4) {
    const kinds = words[from + 4] ?? 0;
    marks[to] = relative(words[from] ?? 0, words[from + 1] ?? 0);
    marks[to + 1] = kinds & 0xffff;
    marks[to + 2] = (words[from + 2] ?? 0) + (words[from + 3] ?? 0) * HALF;
    marks[to + 3] = kinds >>> 16;
  }
  return marks;
}

/** Counts of two 32-bit numbers. */
export function unpackCounts(base64: string): Uint32Array {
  return wordsOf(base64);
}
