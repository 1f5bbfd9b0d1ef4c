import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlace, placeText } from '../src/machine/place.js';

function check(text: string, expected: string | undefined): void {
  const place = parsePlace(text);
  assert.equal(place && placeText(place), expected);
}

test('places of targets are read as the adapter writes them', () => {
  check('gdb:127.0.0.1:1234', 'gdb:127.0.0.1:1234');
  check('board.local:3333', 'gdb:board.local:3333');
  check(':1234', 'gdb:127.0.0.1:1234');
  check('gdb:[::1]:1234', 'gdb:[::1]:1234');
  check('gdb:unix:/run/a b.sock', 'gdb:unix:/run/a b.sock');
  check('snapshot:halt.core.zst', 'snapshot:halt.core.zst');
});

test('what is no place is refused', () => {
  check('', undefined);
  check('1234', undefined);
  check('host:0', undefined);
  check('host:65536', undefined);
  check('a b:1', undefined);
  check('snapshot:', undefined);
});
