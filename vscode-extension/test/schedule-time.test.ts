import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axisTicks, duration, moment, percent, readDuration } from '../src/schedule/time';

test('an axis has round ticks, told apart, and never more than wanted', () => {
  const check = (from: number, to: number, most: number, labels: string[]) => {
    assert.deepEqual(axisTicks(from, to, most).map((tick) => tick.label), labels);
  };
  check(0, 1, 5, ['0.0 s', '0.2 s', '0.4 s', '0.6 s', '0.8 s', '1.0 s']);
  check(0, 60, 6, ['0 s', '10 s', '20 s', '30 s', '40 s', '50 s', '60 s']);
  check(1.0000001, 1.0000009, 4, ['1.0000002 s', '1.0000004 s', '1.0000006 s', '1.0000008 s']);
  check(-0.5, 0.5, 2, ['-0.5 s', '0.0 s', '0.5 s']);
  check(5, 5, 4, []);
  check(5, 4, 4, []);
  check(0, Number.NaN, 4, []);
  for (const [from, to] of [[0, 1e-7], [3, 4000], [1e5, 1e5 + 1e-3]] as const) {
    for (let most = 1; most < 40; most++) {
      assert.ok(axisTicks(from, to, most).length <= most + 1, `${from} ${to} ${most}`);
    }
  }
});

test('lengths of time are written with the unit that fits', () => {
  const check = (seconds: number, text: string) => {
    assert.equal(duration(seconds), text);
  };
  check(0, '0 ns');
  check(3e-7, '300 ns');
  check(1.25e-3, '1.25 ms');
  check(0.9999, '1.000 s');
  check(12.5, '12.5 s');
  check(3600, '3600 s');
  check(16e-9, '16 ns');
  check(1.6e-6, '1.60 µs');
});

test('lengths of time are read as they are written', () => {
  const check = (text: string, seconds: number | undefined) => {
    assert.equal(readDuration(text)?.toPrecision(12), seconds?.toPrecision(12));
  };
  check('5ms', 0.005);
  check(' 200 us ', 200e-6);
  check('200µs', 200e-6);
  check('1.5 s', 1.5);
  check('.5s', 0.5);
  check('5', undefined);
  check('-5 ms', undefined);
  check('5 minutes', undefined);
  check('', undefined);
});

test('moments and shares', () => {
  assert.equal(moment(1.2345), '1.234500 s');
  assert.equal(moment(-1e-12), '0.000000 s');
  assert.equal(percent(1, 3), '33.3 %');
  assert.equal(percent(1, 100_000), '< 0.1 %');
  assert.equal(percent(0, 5), '0.0 %');
  assert.equal(percent(5, 0), '0.0 %');
});
