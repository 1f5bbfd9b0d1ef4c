import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Step } from '../src/protocol/translate.js';
import { grouped, legs, outcome, rights } from '../src/translation/walk.js';

function step(stage: number, level: number): Step {
  const address = '0x0';
  return {
    ...{ stage, level, input: address, descriptorAddress: address, physicalAddress: address },
    ...{ descriptor: '0x0', kind: 'table', attributes: [] },
  };
}

test('a walk is cut where its stage changes', () => {
  const steps = [step(2, 1), step(2, 2), step(1, 1), step(2, 1), step(1, 2), step(1, 3)];
  const shape = legs({ address: '0x0', steps }).map((leg) => [leg.stage, leg.steps.length]);
  assert.deepEqual(shape, [
    [2, 2],
    [1, 1],
    [2, 1],
    [1, 2],
  ]);
});

test('the end of a walk is one sentence', () => {
  const steps: Step[] = [];
  const result = { ipa: '0x2', pa: '0x3', device: false, permissions: 'EL1 rw-, EL0 ---', size: 0x20_0000 };
  const walk = { address: '0xff', steps, result };
  assert.equal(outcome(walk), 'VA 0xff → IPA 0x2 → PA 0x3');
  assert.equal(rights(walk), 'normal memory · EL1 rw-, EL0 --- · 2 MiB in one piece');
  assert.equal(
    outcome({ address: '0xff', steps, fault: 'level 3 descriptor is invalid' }),
    '0xff is not translated: level 3 descriptor is invalid',
  );
});

test('descriptors are padded and grouped', () => {
  assert.equal(grouped('0x60000040001707'), '0060 0000 4000 1707');
});
