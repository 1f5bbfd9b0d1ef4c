import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lane, Schedule } from '../src/protocol/schedule';
import { CELL, fillRow, FULL, hit, pictureOf, Row, spanAt, timeInStates } from '../src/schedule/model';
import { BLOCKED, LOST, NOBODY, RUNNABLE, RUNNING } from '../src/schedule/span';

const BASE = 1_000_000;

/** What the adapter packs, field by field: bytes of each and its value. */
function packed(records: readonly (readonly (readonly [size: number, value: number])[])[]): string {
  const bytes = records.flat().flatMap(([size, value]) => {
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(BigInt(value));
    return [...number.subarray(0, size)];
  });
  return Buffer.from(bytes).toString('base64');
}
const packedSpans = (spans: readonly (readonly number[])[]) =>
  packed(spans.map(([start = 0, state = 0, party = 0, cause = 0, flags = 0]) => [[8, start], [1, state], [1, cause], [2, party], [2, flags], [2, 0]]));

/** A vCPU that runs from 0, waits from 100 to 400, runs, and has lost a tick at 600. */
const exact: Lane = {
  lane: 3,
  kind: 'vcpu',
  name: 'DomU/0',
  guest: 1,
  index: 0,
  packedSpans: packedSpans([
    [0, RUNNING, 0, 0, 0],
    [100, RUNNABLE, 0, 2, 1 << 8],
    [400, RUNNING, 1, 0, 1 << 9],
    [600, LOST, NOBODY, 0, 0],
    [601, BLOCKED, 1, 4, 0],
  ].map(([start = 0, ...rest]) => [BASE + start, ...rest])),
  end: BASE + 1000,
  packedMarks: packed([[[8, BASE + 250], [8, 2 ** 40 + 7], [2, 4], [2, 2], [4, 0]]]),
};

/** Four cells: runs, half waits, nothing known, runs with a loss too short to have a share. */
const cells: Lane = {
  lane: 4,
  kind: 'pcpu',
  name: 'pCPU 0',
  index: 0,
  packedCells: packed([
    [1, 3, FULL, 0, 0, 0, 0, 0, 0],
    [3, 3, 32767, 32768, 0, 0, 0, 0, 0],
    [0, NOBODY, 0, 0, 0, 0, 0, 0, 0],
    [1 | (1 << LOST), 5, FULL, 0, 0, 0, 0, 0, 0],
  ].map((numbers) => numbers.map((value) => [2, value]))),
  packedCounts: packed([1, 1, 0, 0, 0, 0, 2, 1 << 11].map((value) => [[4, value]])),
};

const schedule: Schedule = { frequency: 1000, first: BASE, until: BASE + 1000, from: BASE, to: BASE + 1000, width: 4, lanes: [exact, cells] };
const picture = pictureOf(schedule, BASE);
const nothing = { from: 0, to: 0, width: 1, lanes: new Map() };

function row(lane: number, from: number, to: number, width: number, behind = nothing): number[][] {
  const filled = new Row(width);
  fillRow(filled, lane, { from, to }, picture, behind);
  return Array.from({ length: width }, (_, pixel) => Array.from(filled.cells.subarray(pixel * CELL, (pixel + 1) * CELL)));
}

test('exact spans fill the pixels that they cover', () => {
  const states = row(3, 0, 1000, 10).map(([, , ...shares]) => shares.findIndex((share) => share > FULL / 2));
  assert.deepEqual(states, [RUNNING, RUNNABLE, RUNNABLE, RUNNABLE, RUNNING, RUNNING, BLOCKED, BLOCKED, BLOCKED, BLOCKED]);
});

test('what is shorter than a pixel is never gone', () => {
  for (const width of [1, 2, 3, 7, 10, 100]) {
    const seen = row(3, 0, 1000, width).reduce((flags, [own = 0]) => flags | own, 0);
    assert.equal(seen & (1 << LOST), 1 << LOST, `${width} pixels`);
  }
});

test('a pixel in which two long spans meet is of one of them', () => {
  // 95 to 105: five ticks of each side, in pixels of 10.
  const [first = []] = row(3, 95, 1095, 100);
  const shares = first.slice(2).filter((share) => share > 0);
  assert.deepEqual(shares, [FULL]);
});

test('outside of what is known there is nothing', () => {
  const seen = row(3, -1000, 2000, 30);
  assert.ok(seen.slice(0, 10).every(([flags]) => flags === 0));
  assert.ok(seen.slice(20).every(([flags]) => flags === 0));
  assert.ok(seen.slice(10, 20).every(([flags]) => flags !== 0));
});

test('cells are drawn at other widths: stretched, and together with all their flags', () => {
  const wide = row(4, 0, 1000, 8).map(([flags]) => flags);
  assert.deepEqual(wide, [1, 1, 3, 3, 0, 0, 1 | (1 << LOST), 1 | (1 << LOST)]);
  const [left = [], right = []] = row(4, 0, 1000, 2);
  assert.deepEqual(left.slice(0, 4), [3, 3, 49151, 16384]);
  assert.deepEqual(right.slice(0, 3), [1 | (1 << LOST), 5, 32767]);
});

test('what the picture does not cover is taken from the one behind', () => {
  const part = { ...picture, from: 250, to: 500, lanes: new Map([[4, { info: { lane: 4, kind: 'pcpu' as const, name: '' }, cells: Uint16Array.from([2, 9, 0, FULL, 0, 0, 0, 0, 0]) }]]) };
  const filled = new Row(4);
  fillRow(filled, 4, { from: 0, to: 1000 }, part, picture);
  assert.deepEqual([0, 1, 2, 3].map((pixel) => filled.cells[pixel * CELL]), [1, 2, 0, 1 | (1 << LOST)]);
});

test('what is under a point', () => {
  const at = (lane: number, tick: number) => hit(picture.lanes.get(lane), picture, tick);
  assert.deepEqual(at(3, 100), { kind: 'span', from: 100, to: 400, state: RUNNABLE, party: 0, cause: 2, flags: 1 << 8 });
  assert.equal(at(3, 99.9)?.from, 0);
  assert.equal(at(3, 600)?.to, 601);
  assert.equal(at(3, 1000), undefined);
  assert.equal(at(3, -1), undefined);
  assert.deepEqual(at(4, 300), { kind: 'cell', from: 250, to: 500, flags: 3, party: 3, shares: [32767, 32768, 0, 0, 0, 0, 0] });
  assert.equal(at(4, 600), undefined);
  assert.equal(at(9, 100), undefined);
});

test('names cannot turn or break what is written beside them', () => {
  const names = ['Ünï👩‍💻/0', 'a\u202eb/1', 'a\nb\u0000'];
  const lanes = names.map((name, lane): Lane => ({ lane, kind: 'vcpu', name }));
  const shown = [...pictureOf({ ...schedule, lanes }, BASE).lanes.values()].map(({ info }) => info.name);
  assert.deepEqual(shown, ['Ünï👩‍💻/0', 'a\ufffdb/1', 'a\ufffdb\ufffd']);
});

test('spans are found by time', () => {
  const spans = picture.lanes.get(3)?.spans;
  assert.ok(spans);
  assert.deepEqual([-5, 0, 99, 100, 600, 601, 5000].map((tick) => spanAt(spans, tick)), [0, 0, 0, 1, 3, 4, 4]);
});

test('time in each state, of spans and of cells, cut to what is seen', () => {
  const of = (lane: number, from: number, to: number) => {
    const drawn = picture.lanes.get(lane);
    assert.ok(drawn);
    return timeInStates(drawn, picture, { from, to }).map((ticks) => Math.round(ticks));
  };
  assert.deepEqual(of(3, 0, 1000), [300, 300, 399, 0, 0, 1, 0]);
  assert.deepEqual(of(3, 50, 150), [50, 50, 0, 0, 0, 0, 0]);
  assert.deepEqual(of(4, 0, 1000), [625, 125, 0, 0, 0, 0, 0]);
  assert.deepEqual(of(4, 900, 5000), [100, 0, 0, 0, 0, 0, 0]);
});

test('marks and counts are taken over', () => {
  assert.deepEqual(Array.from(picture.lanes.get(3)?.marks ?? []), [250, 4, 2 ** 40 + 7, 2]);
  assert.deepEqual(Array.from(picture.lanes.get(4)?.counts ?? []), [1, 1, 0, 0, 0, 0, 2, 1 << 11]);
});

test('ticks beyond what a double counts exactly are exact from the base on', () => {
  const first = 2 ** 63;
  const late = [[0n, 0], [1n, 2], [500_001n, 0]].map(([after = 0n, state = 0]) => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(2n ** 63n + BigInt(after));
    bytes[8] = Number(state);
    return bytes;
  });
  const lane: Lane = { lane: 1, kind: 'pcpu', name: '', packedSpans: Buffer.concat(late).toString('base64'), end: first + 1e6 };
  const { starts } = pictureOf({ ...schedule, first, from: first, to: first + 1e6, lanes: [lane] }, first).lanes.get(1)?.spans ?? {};
  assert.deepEqual(Array.from(starts ?? []).slice(0, 3), [0, 1, 500_001]);
});
