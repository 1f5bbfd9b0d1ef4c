import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Notice } from '../src/schedule/messages';
import { WebviewSource } from '../src/schedule/source';

function webview() {
  const sent: { id?: number; command?: string }[] = [];
  const target = new EventTarget();
  const host = { postMessage: (message: object) => sent.push(message), setState: () => undefined, getState: () => undefined };
  const source = new WebviewSource(host, target);
  const say = (data: unknown) => target.dispatchEvent(Object.assign(new Event('message'), { data }));
  return { sent, source, say };
}

test('answers find their questions in whatever order they come', async () => {
  const { sent, source, say } = webview();
  const [first, second] = [source.request('traceInfo', {}), source.request('scheduleFind', { from: 0, what: 'change' })];
  assert.deepEqual(sent.map((one) => one.command), ['traceInfo', 'scheduleFind']);
  say({ id: sent[1]?.id, body: { time: 5 } });
  say({ id: sent[0]?.id, error: 'nothing is recorded yet' });
  say({ id: 99, body: {} });
  assert.deepEqual(await second, { time: 5 });
  await assert.rejects(first, /nothing is recorded yet/u);
});

test('what happens unasked is told', () => {
  const { source, say } = webview();
  const heard: Notice[] = [];
  source.onNotice((notice) => heard.push(notice));
  say({ event: 'halted', body: { halted: true } });
  assert.deepEqual(heard, [{ event: 'halted', body: { halted: true } }]);
});
