import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain, withoutIcons } from '../src/session/names.js';

test('letters of any script stay as they are', () => {
  for (const name of ['DomU', 'гость', '客户机', 'ضيف', '👩‍💻', '<b>&amp;</b>', '[x](command:y)']) {
    assert.equal(plain(name), name);
  }
});

test('what is no letter, or turns others round, is shown as such', () => {
  assert.equal(plain('a\u0000\u001b[31m\nb'), 'a\ufffd\ufffd[31m\ufffdb');
  assert.equal(plain('\u202egnp.exe'), '\ufffdgnp.exe');
});

test('a name without end is cut', () => {
  assert.equal(plain('x'.repeat(5000)).length, 120);
});

test('icons in a name are not drawn', () => {
  assert.equal(withoutIcons('a $(sync~spin) $(x y) $('), 'a \\$(sync~spin) $(x y) $(');
});
