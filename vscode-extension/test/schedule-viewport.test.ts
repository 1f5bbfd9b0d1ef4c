import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clamped, framing, panned, pixelOf, SHORTEST, showing, tickAt, whole, zoomed } from '../src/schedule/viewport';

test('zooming keeps the tick under the pointer where it is', () => {
  let viewport = { from: 1000, to: 9000 };
  const before = pixelOf(viewport, 800, 3000);
  for (const factor of [0.5, 0.9, 1.3, 0.01]) {
    viewport = zoomed(viewport, factor, 3000);
    assert.ok(Math.abs(pixelOf(viewport, 800, 3000) - before) < 1e-6);
  }
});

test('pixels and ticks are each other’s inverse', () => {
  const viewport = { from: 123.5, to: 4567 };
  for (const tick of [123.5, 2000, 4567]) {
    assert.ok(Math.abs(tickAt(viewport, 640, pixelOf(viewport, 640, tick)) - tick) < 1e-9);
  }
});

test('nothing is shown that is far from everything', () => {
  const check = (from: number, to: number, until: number) => {
    const seen = clamped({ from, to }, until);
    const length = seen.to - seen.from;
    assert.ok(length >= SHORTEST - 1e-6 && length <= Math.max(until * 1.02, SHORTEST) + 1e-6, `length ${length}`);
    assert.ok(seen.to > 0 && seen.from < until, `${seen.from} to ${seen.to} of ${until}`);
    assert.deepEqual(clamped(seen, until), seen);
  };
  check(0, 1000, 1000);
  check(-5e9, -4e9, 1000);
  check(5e9, 5e9 + 1, 1000);
  check(500, 500, 1000);
  check(-1e12, 1e12, 1000);
  check(0, 10, 1);
  assert.deepEqual(clamped(whole(1000), 1000), whole(1000));
});

test('what is looked for gets into view', () => {
  const viewport = { from: 0, to: 1000 };
  assert.equal(showing(viewport, 500), viewport);
  assert.deepEqual(showing(viewport, 2000), { from: 1500, to: 2500 });
  assert.deepEqual(framing(viewport, 2000, 2100), { from: 1550, to: 2550 });
  assert.deepEqual(framing(viewport, 5000, 5001), { from: 5000.5 - SHORTEST * 1.5, to: 5000.5 + SHORTEST * 1.5 });
  assert.deepEqual(framing(viewport, 5000, 9000), { from: 1000, to: 13000 });
  assert.deepEqual(panned(viewport, 0.1), { from: 100, to: 1100 });
});
