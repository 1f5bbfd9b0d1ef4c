/** Times for people: where an axis has its ticks, how moments and durations are written and read. Seconds unless said otherwise. */

/** Lengths between two ticks of an axis, in seconds: 1, 2 and 5 of every power of ten. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10;
  return step * power;
}

/** A tick of an axis. */
export interface Tick {
  /** Seconds since the start. */
  time: number;
  label: string;
}

/** The ticks of an axis from `from` to `to`, at most `most`, all with as many decimals as tell them apart. */
export function axisTicks(from: number, to: number, most: number): Tick[] {
  const length = to - from;
  if (!(length > 0) || most < 1) {
    return [];
  }
  const step = niceStep(length / most);
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  const ticks: Tick[] = [];
  for (let number = first; number <= last; number++) {
    ticks.push({ time: number * step, label: moment(number * step, step) });
  }
  return ticks;
}

/** A moment as `1.234500 s`, with the decimals that moments `apart` from each other need. */
export function moment(time: number, apart = 1e-6): string {
  const decimals = Math.min(9, Math.max(0, -Math.floor(Math.log10(apart) + 1e-9)));
  const text = (Math.abs(time) < 10 ** -decimals / 2 ? 0 : time).toFixed(decimals);
  return `${text} s`;
}

const UNITS: [string, number][] = [
  ['s', 1],
  ['ms', 1e-3],
  ['µs', 1e-6],
  ['ns', 1e-9],
];

/** A length of time with three or four digits that count: `1.25 ms`, `300 ns`. */
export function duration(time: number): string {
  const size = Math.abs(time);
  if (size < 0.5e-9) {
    return '0 ns';
  }
  const [unit, scale] = UNITS.find(([, one]) => size >= one * 0.9995) ?? ['ns', 1e-9];
  const value = time / scale;
  const decimals = unit === 'ns' ? 0 : Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value)) + 1));
  return `${value.toFixed(decimals)} ${unit}`;
}

/** Reads `5ms`, `1.5 s`, `200us`; undefined where it is no length of time. */
export function readDuration(text: string): number | undefined {
  const parts = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*(ns|us|µs|ms|s)\s*$/u.exec(text);
  const unit = parts?.[2] === 'us' ? 'µs' : parts?.[2];
  const scale = UNITS.find(([name]) => name === unit)?.[1];
  return parts && scale !== undefined ? Number(parts[1]) * scale : undefined;
}

/** A part of a whole, as `12.3 %`; what is there but would read as nothing is `< 0.1 %`. */
export function percent(part: number, whole: number): string {
  const share = whole > 0 ? (part / whole) * 100 : 0;
  return share > 0 && share < 0.05 ? '< 0.1 %' : `${share.toFixed(1)} %`;
}
