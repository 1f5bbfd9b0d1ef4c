// A user's path on the demo's saved halt, in VS Code: sessions, machine view, status bar, breakpoints, panels, themes.
//
// usage: node halt.mjs VSIX SCRATCH PICTURES
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { Workbench } from './workbench.mjs';

const [vsix, scratch, pictures] = process.argv.slice(2).map((path) => resolve(path));
const workspace = join(scratch, 'halt');
execFileSync(join(import.meta.dirname, 'workspace'), [workspace]);

const bench = await Workbench.open({ scratch: join(scratch, 'halt-ui'), workspace, vsix, pictures });
const { page } = bench;
const CALL_STACK = '.debug-call-stack';

try {
  await bench.openFile('ring.c');
  await bench.goToLine(10);
  await bench.breakpointHere();
  await page.keyboard.press('F5');
  await bench.until('the call stack', () => page.locator(CALL_STACK).isVisible());
  await bench.widenSideBar(480);
  for (const title of ['Watch', 'Breakpoints', 'Variables']) {
    await bench.fold(title);
  }
  await bench.shows('call stack', CALL_STACK, /halt/, /blinky/, /courier/, /vCPU 0/, /pCPU 1/);
  await bench.unfold('Machine');
  await bench.heighten('Machine', 260);
  const machine = bench.pane('Machine');
  await bench.shows('machine view', machine, /hvdemo/, /pCPU 0\s*blinky vCPU 0 · EL1/, /vCPU 1\s*blocked · EL1 · wait_until/);
  await bench.shows('status bar', '[id$="hvdap.where"]', /blinky · VMID 1 · vCPU 0 on pCPU 0 · EL1/);
  await bench.unfold('Variables');
  await bench.shows('variables', '.debug-variables', /head/);
  await bench.picture('halt-sessions');

  // A thread of another VM, from the machine view.
  await bench.fold('Variables');
  await page.locator(`${machine} .monaco-list-row[aria-label^="vCPU 0, on pCPU 1"]`).click();
  await bench.shows('stack of courier', '.monaco-editor', /clock_ticks/);
  await bench.picture('halt-other-vm');

  await bench.hidePanel();
  await bench.command('hvdap: Show Schedule');
  await bench.webviewShows('schedule of the saved halt', /blinky/, /courier/);
  await bench.picture('halt-schedule');
  await bench.command('hvdap: Translate Address');
  await bench.answer('0xffffffc000081018');
  await bench.webviewShows('translation panel', /courier/, /VA 0xffffffc000081018 → IPA 0x\w+ → PA 0x\w+/, /Stage 1/, /Stage 2/);
  await bench.picture('halt-translation');
  await bench.picturesInThemes('halt-translation');
} finally {
  await bench.close();
}
assert.deepEqual([...bench.outside], [], 'hosts asked that are not this machine');
console.log('halt: passed');
