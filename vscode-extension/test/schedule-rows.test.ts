import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LaneInfo } from '../src/schedule/model';
import { guestsOf, heightOf, labelOf, laneAtHeight, LANE_HEIGHT, linesBetween, linesOf } from '../src/schedule/rows';

const lanes: LaneInfo[] = [
  { lane: 0, kind: 'machine', name: 'machine' },
  { lane: 1, kind: 'vcpu', name: 'a/b: c/1', guest: 2, index: 1 },
  { lane: 2, kind: 'pcpu', name: 'pCPU 1', index: 1 },
  { lane: 3, kind: 'vcpu', name: 'Dom0/0', guest: 0, index: 0 },
  { lane: 4, kind: 'pcpu', name: 'pCPU 0', index: 0 },
  { lane: 5, kind: 'vcpu', name: 'a/b: c/0', guest: 2, index: 0 },
  { lane: 6, kind: 'task', name: 'a/b: c: sh[7]', guest: 2, index: 7 },
];

test('cores first, then VM by VM, in order', () => {
  const texts = (withTasks: boolean) => linesOf(lanes, withTasks).map((line) => (line.kind === 'heading' ? `[${line.title}]` : line.lane.name));
  const all = ['[Cores]', 'pCPU 0', 'pCPU 1', '[Dom0]', 'Dom0/0', '[a/b: c]', 'a/b: c/0', 'a/b: c/1'];
  assert.deepEqual(texts(false), all);
  assert.deepEqual(texts(true), [...all, 'a/b: c: sh[7]']);
  assert.deepEqual(lanes.map(labelOf), ['machine', 'vCPU 1', 'pCPU 1', 'vCPU 0', 'pCPU 0', 'vCPU 0', 'sh[7]']);
  assert.deepEqual(linesOf([], true), []);
  assert.deepEqual(guestsOf(lanes), [0, 2]);
});

test('lines follow each other without gaps, and are found by height', () => {
  const lines = linesOf(lanes, true);
  lines.forEach((line, number) => {
    assert.equal(line.y, number === 0 ? 0 : heightOf(lines.slice(0, number)));
  });
  const third = lines[2];
  assert.ok(third?.kind === 'lane');
  assert.equal(laneAtHeight(lines, third.y)?.lane, third.lane.lane);
  assert.equal(laneAtHeight(lines, third.y + LANE_HEIGHT - 0.5)?.lane, third.lane.lane);
  assert.equal(laneAtHeight(lines, 1), undefined);
  assert.equal(laneAtHeight(lines, heightOf(lines) + 1), undefined);
  assert.deepEqual(linesBetween(lines, third.y + 1, third.y + 2), [third]);
});
