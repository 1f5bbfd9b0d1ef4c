import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CELL, FULL, Row } from '../src/schedule/model';
import type { Palette } from '../src/schedule/palette';
import { drawHalts, drawLane, drawMark, type Band, type Raster } from '../src/schedule/raster';
import { BLOCKED, HYPERVISOR, LOST, OFFLINE, RUNNABLE, RUNNING, STATES } from '../src/schedule/span';

const BAND: Band = { top: 1, marks: 4, body: 16 };
const HEIGHT = 24;
/** One sign for each colour, so that a column is a word. */
const SIGNS = { background: '.', vm: '#', darker: '%', dim: '_', hatch: '!', halt: '/', alarm: '*', note: '+' };
const pixel = (sign: string) => sign.charCodeAt(0);
const palette = {
  backgroundPixel: pixel(SIGNS.background),
  dimPixel: pixel(SIGNS.dim),
  hatchPixel: pixel(SIGNS.hatch),
  haltPixel: pixel(SIGNS.halt),
  alarmPixel: pixel(SIGNS.alarm),
  notePixel: pixel(SIGNS.note),
} as Palette;
const colours = () => ({ pixel: pixel(SIGNS.vm), darker: pixel(SIGNS.darker) });

function empty(width: number): Raster {
  return { width, height: HEIGHT, pixels: new Uint32Array(width * HEIGHT).fill(pixel(SIGNS.background)) };
}

/** A row of cells, each with these parts of a whole; what has no part, but is named, occurs. */
function rowOf(cells: Partial<Record<number, number>>[]): Row {
  const row = new Row(cells.length);
  cells.forEach((parts, x) => {
    for (let state = 0; state < STATES; state++) {
      const part = parts[state];
      if (part !== undefined) {
        row.cells[x * CELL] = (row.cells[x * CELL] ?? 0) | (1 << state);
        row.cells[x * CELL + 2 + state] = part * FULL;
      }
    }
  });
  return row;
}

/** A column from its top to its bottom. */
function column(raster: Raster, x: number): string {
  const pixels = Array.from({ length: HEIGHT }, (_, y) => raster.pixels[y * raster.width + x] ?? 0);
  return String.fromCharCode(...pixels);
}

function body(parts: Partial<Record<number, number>>): string {
  const raster = empty(3);
  drawLane(raster, 1, BAND, rowOf([{}, parts]), colours, palette);
  assert.ok([0, 1].every((x) => column(raster, x) === '.'.repeat(HEIGHT)), 'only its own column');
  const all = column(raster, 2);
  assert.match(all.slice(0, 5) + all.slice(21), /^\.+$/u, 'only its own band');
  return all.slice(5, 21);
}

test('states are stacked by their shares, each with its shape', () => {
  assert.equal(body({ [RUNNING]: 1 }), '#'.repeat(16));
  assert.equal(body({ [RUNNING]: 0.5, [BLOCKED]: 0.5 }), '.'.repeat(8) + '#'.repeat(8));
  assert.equal(body({ [BLOCKED]: 1 }), `${'.'.repeat(15)}_`);
  assert.match(body({ [RUNNABLE]: 1 }), /^(\.?##)+$|^(#?\.##|##\.)+#?$/u);
  assert.equal(body({ [HYPERVISOR]: 0.25, [RUNNING]: 0.5 }).replace(/%/gu, '#'), '.'.repeat(4) + '#'.repeat(12));
  assert.equal(body({}), '.'.repeat(16));
});

test('what occurs for less than a pixel is seen', () => {
  assert.match(body({ [RUNNING]: 1, [LOST]: 0 }), /^[!.]{2}#{14}$/u);
  assert.match(body({ [BLOCKED]: 1, [RUNNING]: 1e-4 }), /#$/u);
  assert.match(body({ [LOST]: 1 }), /^(?=.*!)[!.]{16}$/u);
});

test('halts hatch everything, short ones leave a tick below the axis', () => {
  const raster = empty(4);
  drawHalts(raster, 0, 10, rowOf([{ [RUNNING]: 1 }, { [OFFLINE]: 1 }, { [OFFLINE]: 1e-4, [RUNNING]: 0.9 }]), palette);
  assert.equal(column(raster, 0), '.'.repeat(HEIGHT));
  assert.match(column(raster, 1), /^\.{10}(?=.*\/)[./]{14}$/u);
  assert.equal(column(raster, 2), '.'.repeat(10) + '/'.repeat(6) + '.'.repeat(8));
});

test('marks are as high as they are important', () => {
  const drawn = (kinds: number) => {
    const raster = empty(1);
    drawMark(raster, 0, BAND, kinds, palette);
    return column(raster, 0).slice(1, 5);
  };
  assert.equal(drawn(1 << 0), '..__');
  assert.equal(drawn(1 << 11), '****');
  assert.equal(drawn((1 << 0) | (1 << 18)), '++++');
});
