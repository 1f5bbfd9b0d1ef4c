import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe, marksBetween, type Around } from '../src/schedule/describe';
import type { LaneInfo } from '../src/schedule/model';
import { LOST, NOBODY, RUNNABLE, RUNNING } from '../src/schedule/span';

const core: LaneInfo = { lane: 1, kind: 'pcpu', name: 'pCPU 0', index: 0 };
const vcpu: LaneInfo = { lane: 2, kind: 'vcpu', name: '<b>DomU</b>/0', guest: 1, index: 0 };
const around: Around = { lanes: new Map([core, vcpu].map((lane) => [lane.lane, lane])), frequency: 1000, until: 900 };

test('a span is told with who and why', () => {
  const waits = describe(vcpu, { kind: 'span', from: 100, to: 400, state: RUNNABLE, party: 0, cause: 2, flags: 1 << 9 }, around);
  assert.deepEqual(waits, {
    title: '<b>DomU</b>/0: waiting for a core',
    facts: [
      ['since', '0.100000 s'],
      ['for', '300 ms'],
      ['core', 'pCPU 0'],
      ['because', 'preempted'],
      ['note', 'on another core than before'],
    ],
  });
  const runs = describe(core, { kind: 'span', from: 400, to: 900, state: RUNNING, party: 2, cause: 0, flags: 0 }, around);
  assert.deepEqual(runs.facts, [
    ['since', '0.400000 s'],
    ['so far', '500 ms'],
    ['carries', '<b>DomU</b>/0'],
  ]);
});

test('a cell is told with all that occurs in it', () => {
  const cell = describe(vcpu, { kind: 'cell', from: 0, to: 10, flags: 1 | (1 << LOST), party: NOBODY, shares: [65535, 0, 0, 0, 0, 0, 0] }, around);
  assert.deepEqual(cell.facts, [
    ['running', '100.0 %'],
    ['records lost', '< 0.1 %'],
  ]);
});

test('marks are told in words', () => {
  const marks = Float64Array.from([100, 0, 0, 1, 200, 4, 65538, NOBODY, 300, 18, 7, NOBODY]);
  assert.deepEqual(marksBetween(marks, 50, 250, 5, around), ['0.100000 s wake by pCPU 0', '0.200000 s migrated from pCPU 1 to pCPU 2']);
  assert.equal(marksBetween(marks, 0, 900, 1, around).length, 1);
  assert.deepEqual(marksBetween(undefined, 0, 900, 1, around), []);
});
