import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loopback } from '../src/schedule/viewer.js';

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
