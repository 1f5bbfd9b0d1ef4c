import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loopback, untilOf } from '../src/schedule/viewer.js';

function check(line: string, expected: string | undefined): void {
  assert.equal(loopback(line)?.href, expected);
}

test('a trace is asked of this machine only', () => {
  check('{"url": "http://127.0.0.1:4711/token/"}', 'http://127.0.0.1:4711/token/');
  check('{"url": "http://127.0.0.1.example.org:4711/token/"}', undefined);
  check('{"url": "http://example.org/"}', undefined);
  check('{"url": "file:///etc/passwd"}', undefined);
  check('{}', undefined);
  check('not JSON', undefined);
});

test('of an event the tick is read, and nothing else taken for one', () => {
  assert.equal(untilOf('data: {"until":17}'), 17);
  assert.equal(untilOf('event: hvdap/scheduleChanged'), undefined);
  assert.equal(untilOf('data: {"until":"17"}'), undefined);
  assert.equal(untilOf('data: {'), undefined);
});
