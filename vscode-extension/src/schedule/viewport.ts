/** What stretch of time is seen, and how it is zoomed and moved. Ticks since the timeline's beginning; all pure. */

/** A stretch of time: its first tick and the first beyond. */
export interface Viewport {
  readonly from: number;
  readonly to: number;
}

/** The shortest stretch that is shown. */
export const SHORTEST = 20;
/** How far beyond either end one may look, of what is seen. */
const BEYOND = 0.5;

/** As long as it is, but at least {@link SHORTEST} and at most a little more than everything, and not far beyond either end. */
export function clamped({ from, to }: Viewport, until: number): Viewport {
  const length = Math.min(Math.max(to - from, SHORTEST), Math.max(until * 1.02, SHORTEST));
  const least = Math.min(0, until - length) - length * BEYOND * Number(length < until);
  const most = Math.max(0, until - length) + length * BEYOND * Number(length < until);
  const start = Math.min(Math.max(from, least), most);
  return { from: start, to: start + length };
}

/** Everything, with a little air on either side. */
export function whole(until: number): Viewport {
  const air = Math.max(until, SHORTEST) * 0.01;
  return { from: -air, to: Math.max(until, SHORTEST) + air };
}

/** `factor` times as much time, with the tick `at` staying where it is. */
export function zoomed({ from, to }: Viewport, factor: number, at: number): Viewport {
  return { from: at - (at - from) * factor, to: at + (to - at) * factor };
}

/** Moved by a part of what is seen. */
export function panned({ from, to }: Viewport, part: number): Viewport {
  const by = (to - from) * part;
  return { from: from + by, to: to + by };
}

/** Moved, as little as needed, so that a tick is seen, with some room beside it. */
export function showing(viewport: Viewport, tick: number): Viewport {
  const length = viewport.to - viewport.from;
  const room = length * 0.1;
  if (tick >= viewport.from + room && tick <= viewport.to - room) {
    return viewport;
  }
  return { from: tick - length / 2, to: tick + length / 2 };
}

/** So that a stretch fills a third of what is seen, where it would be too small or too large to be looked at. */
export function framing(viewport: Viewport, from: number, to: number): Viewport {
  const length = viewport.to - viewport.from;
  const part = (to - from) / length;
  if (part > 0.02 && part < 0.8) {
    return showing(viewport, (from + to) / 2);
  }
  const wanted = Math.max(to - from, SHORTEST) * 3;
  const middle = (from + to) / 2;
  return { from: middle - wanted / 2, to: middle + wanted / 2 };
}

/** Where a tick is, in pixels of a picture `width` wide. */
export function pixelOf({ from, to }: Viewport, width: number, tick: number): number {
  return ((tick - from) / (to - from)) * width;
}

/** Which tick is at a pixel. */
export function tickAt({ from, to }: Viewport, width: number, pixel: number): number {
  return from + (pixel / width) * (to - from);
}
