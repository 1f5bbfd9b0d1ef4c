// The journey of the headline, on real Xen with two Linux guests: a breakpoint in DomU's source, a step into Xen.
//
// usage: node xen.mjs VSIX SCRATCH PICTURES TARGET      TARGET: the folder tests/live/xen/find prints
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Target } from './target.mjs';
import { Workbench } from './workbench.mjs';

const [vsix, scratch, pictures, artefacts] = process.argv.slice(2).map((path) => resolve(path));
const workspace = join(scratch, 'xen');
const CALL_STACK = '.debug-call-stack';
const STATUS = '[id$="hvdap.where"]';
const SOURCE = 'linux-source-6.1/drivers/xen/sys-hypervisor.c';
const LINE = 'int version = HYPERVISOR_xen_version(XENVER_version';
/** From the hypercall's line in C to Xen's vector: into the function, to the HVC, and in. */
const MOST_STEPS = 16;
/** Until a step that began is seen to have begun, in milliseconds. */
const STEP = 1500;
/** How long the machine runs while it is recorded, in milliseconds. */
const RECORDED = process.env.HVDAP_HEAVY ? 60_000 : 20_000;
/** What the status of the schedule says when about 10 ms are seen. */
const NEAR = /(^|\s)(\d(\.\d+)?|1[0-2](\.\d+)?) ms seen of/;

const target = await Target.boot(artefacts);
let bench;
try {
  await target.typeInDomU('while sleep 1;do cat /sys/hyp*/ver*/maj*;done&');
  target.workspace(workspace);
  bench = await Workbench.open({ scratch: join(scratch, 'xen-ui'), workspace, vsix, pictures });
  const { page } = bench;

  const text = readFileSync(join(artefacts, 'src', SOURCE), 'utf8').split('\n');
  const line = text.findIndex((one) => one.includes(LINE)) + 1;
  await bench.openFile(SOURCE);
  await bench.goToLine(line);
  await bench.breakpointHere();

  await page.keyboard.press('F5');
  await bench.until('the call stack', () => page.locator(CALL_STACK).isVisible());
  await bench.widenSideBar(560);
  for (const title of ['Watch', 'Breakpoints', 'Variables']) {
    await bench.fold(title);
  }
  await bench.unfold('Machine');
  await bench.heighten('Machine', 260);
  const machine = bench.pane('Machine');
  await bench.shows('three sessions', CALL_STACK, /Xen/, /Dom0/, /DomU/);
  await bench.shows('machine view', machine, /Xen\s*2 pCPUs/, /Dom0\s*VMID 1 · 2 vCPUs/, /DomU\s*VMID 2 · 2 vCPUs/);

  await page.keyboard.press('F5');
  await bench.shows('stop in DomU only', STATUS, /DomU · VMID 2 · vCPU \d on pCPU \d/);
  await bench.shows('its stack', CALL_STACK, /major_show/, /hyp_sysfs_show/);
  await bench.unfold('Variables');
  await bench.shows('its variables', '.debug-variables', /\bpage\b|\bbuffer\b|\bversion\b/);
  await bench.fold('Variables');
  await bench.foldRows(CALL_STACK, /^\s*pCPU|paused/i);
  await bench.shows('three groups at the breakpoint', CALL_STACK, /Xen/, /Dom0/, /DomU/, /major_show/);
  await bench.picture('xen-breakpoint');

  // By instructions, which is what a step is while the disassembly has the focus.
  await bench.until('the disassembly', async () => {
    await page.locator(`${CALL_STACK} .monaco-list-row`, { hasText: 'major_show' }).first().click({ button: 'right' });
    await page.locator('.context-view .action-label', { hasText: 'Open Disassembly View' }).hover({ timeout: 2000 });
    await page.keyboard.press('Enter');
    await sleep(STEP);
    return page.locator('.disassembly-view').isVisible();
  });
  await bench.shows('disassembly', '.disassembly-view', /HYPERVISOR_xen_version/);
  await bench.picture('xen-disassembly');
  await page.locator('.disassembly-view').click();
  const inXen = async () => /DomU vCPU \d · Xen · guest_sync/.test(await page.locator(machine).innerText());
  for (let steps = 0; steps < MOST_STEPS && !(await inXen()); steps++) {
    await page.keyboard.press('F11');
    await sleep(STEP);
    await bench.until('the step ends', () => page.locator('.debug-toolbar .codicon-debug-continue').isVisible());
  }
  await bench.shows('a step into the HVC ends in Xen', STATUS, /Xen · pCPU \d/);
  await bench.picture('xen-hypercall');

  // At the breakpoint it would halt once a second.
  await bench.command('Debug: Remove All Breakpoints');
  await bench.command('hvdap: Show Schedule');
  await bench.command('hvdap: Start Recording the Schedule');
  await bench.webviewShows('that it is recorded', /Live/);
  await bench.command('Debug: Continue');
  await sleep(RECORDED);
  await bench.webviewShows('that it grows while the machine runs', /DomU/, /[1-9][\d,]* events so far/);
  await bench.command('Debug: Pause');
  await bench.shows('a halt again', STATUS, /pCPU \d/);
  // A halt shows its source, in the same group of editors.
  await bench.command('hvdap: Show Schedule');
  await bench.webviewShows('schedule', /DomU/, /pCPU 1/);
  await bench.hidePanel();
  const schedule = bench.webview();
  await schedule.getByLabel(/^Show all of the time/).click();
  await bench.picture('xen-schedule');
  // It is zoomed around the cursor, which goes to a preemption.
  await schedule.getByLabel(/^The next one/).click();
  await bench.webviewShows('a preemption', /selection|from \d/i);
  await schedule.getByLabel(/^Show all of the time/).click();
  await bench.until('10 ms are seen', async () => {
    await schedule.getByLabel(/^Zoom in/).click();
    await sleep(200);
    return NEAR.test(await schedule.locator('.status').innerText());
  });
  await bench.picture('xen-schedule-near');
  await bench.picturesInThemes('xen-schedule-near');
} finally {
  await bench?.close();
  target.stop();
}
assert.deepEqual([...bench.outside], [], 'hosts asked that are not this machine');
console.log('xen: passed');
