import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineFileText, vmNames } from '../src/debugger/machineFile.js';

test('a machine file says where, and which image runs where', () => {
  const text = machineFileText({
    connect: 'gdb:127.0.0.1:1234',
    hypervisor: 'build/xen-syms',
    vms: [{ name: 'Dom0', image: 'build/vmlinux' }],
  });
  assert.match(text, /^\[target\]\nconnect = "gdb:127.0.0.1:1234"\n\n\[hypervisor\]\nimage = "build\/xen-syms"\n/);
  assert.match(text, /\[\[vm\]\]\nname = "Dom0"\nimage = "build\/vmlinux"\n/);
});

test('a path cannot break out of its string', () => {
  const text = machineFileText({ connect: 'snapshot:a"\n[x]\\\u007f', vms: [] });
  assert.equal(text, '[target]\nconnect = "snapshot:a\\"\\n[x]\\\\\\u007f"\n');
});

test('VMs are named after their images', () => {
  assert.deepEqual(vmNames(['b/vmlinux-domu', 'blinky.elf', 'x/vmlinux', 'y/blinky.axf']), [
    'domu',
    'blinky',
    'VM 3',
    'blinky 2',
  ]);
});
