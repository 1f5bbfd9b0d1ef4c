import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rows, whereabouts } from '../src/machine/rows.js';
import type { Group, Thread } from '../src/protocol/machine-overview.js';

function thread(index: number, rest: Partial<Thread> = {}): Thread {
  return { id: 10 + index, name: `vCPU ${index}`, index, state: 'blocked', ...rest };
}

function group(id: number, name: string, threads: Thread[], rest: Partial<Group> = {}): Group {
  return { id, name, images: [], threads, ...rest };
}

const xen = group(0, 'Xen', [
  {
    ...{ id: 1, name: 'pCPU 0', index: 0, state: 'running', pcpu: 0, el: 'EL2', function: 'do_trap' },
    carries: { who: 'vcpu', thread: 10 },
  },
  {
    ...{ id: 2, name: 'pCPU 1', index: 1, state: 'running', pcpu: 1, el: 'EL2', function: 'idle_loop' },
    carries: { who: 'idle' },
  },
]);
const domu = group(1, 'DomU', [thread(0, { state: 'running', pcpu: 0, el: 'EL1', function: 'schedule' }), thread(1)], {
  guest: 1,
  vmid: 2,
});

test('a core says whom it runs and a vCPU where it is', () => {
  const [cores, vcpus] = rows([xen, domu], true);
  assert.equal(vcpus?.description, 'VMID 2 · 2 vCPUs · no symbols');
  assert.deepEqual(
    cores?.children.map((row) => row.description),
    ['DomU vCPU 0 · Xen · do_trap', 'idle · Xen · idle_loop'],
  );
  assert.deepEqual(
    vcpus.children.map((row) => row.description),
    ['on pCPU 0 · EL1 · schedule', 'blocked'],
  );
});

test('while the machine runs nothing is said of where anything is', () => {
  const [cores, vcpus] = rows([xen, domu], false);
  assert.equal(cores?.children[0]?.description, 'running');
  assert.equal(vcpus?.children[0]?.description, '');
});

test('images tell their symbols and how far they were moved', () => {
  const image = { name: 'vmlinux', buildId: 'ab', symbols: 'DWARF', slide: '0x200000', evidence: 'build-id' };
  const [row] = rows([{ ...domu, images: [image] }], true);
  const described = [row?.description, row?.children.at(-1)?.description];
  assert.deepEqual(described, ['VMID 2 · 2 vCPUs', 'DWARF · moved by 0x200000']);
});

test('an image that runs nowhere is told with its place in the machine file', () => {
  const row = rows([xen], true, [{ name: 'vmlinux', place: 'hvdap.toml:6:9', vm: 'DomU' }]).at(-1);
  assert.equal(row?.description, 'runs nowhere · hvdap.toml:6:9');
});

test('a core that works for a vCPU that is gone says so', () => {
  const [row] = rows([xen], true);
  assert.equal(row?.children[0]?.description, 'a vCPU that is gone · Xen · do_trap');
});

test('the status bar says whose code ran', () => {
  const [running, blocked] = domu.threads;
  assert.equal(running && whereabouts(domu, running), 'DomU · VMID 2 · vCPU 0 on pCPU 0 · EL1');
  assert.equal(blocked && whereabouts(domu, blocked), 'DomU · VMID 2 · vCPU 1 blocked');
  assert.equal(xen.threads[1] && whereabouts(xen, xen.threads[1]), 'Xen · pCPU 1 · EL2');
});

test('every row has an identity of its own, with 256 vCPUs too', () => {
  const big = group(
    2,
    'big',
    Array.from({ length: 256 }, (_, index) => thread(100 + index)),
  );
  const all = rows([xen, domu, big], true).flatMap((row) => [row.id, ...row.children.map((child) => child.id)]);
  assert.equal(all.length, 3 + 2 + 2 + 256);
  assert.equal(new Set(all).size, all.length);
});
