// A first-time user's path: the extension is installed, "Try the Demo" is run, nothing else is there.
//
// usage: node demo.mjs VSIX SCRATCH PICTURES
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Workbench } from './workbench.mjs';

const [vsix, scratch, pictures] = process.argv.slice(2).map((path) => resolve(path));
const workspace = join(scratch, 'nothing');
mkdirSync(workspace, { recursive: true });
writeFileSync(join(workspace, 'notes.txt'), 'nothing to debug here\n');

const bench = await Workbench.open({ scratch: join(scratch, 'demo-ui'), workspace, vsix, pictures });
try {
  await bench.command('hvdap: Try the Demo');
  const start = Date.now();
  await bench.until('the call stack', () => bench.page.locator('.debug-call-stack').isVisible());
  await bench.widenSideBar(420);
  await bench.fold('Watch');
  await bench.fold('Variables');
  await bench.shows('two VMs', bench.pane('Machine'), /blinky/, /courier/);
  await bench.webviewShows('their schedule', /blinky/, /courier/, /pCPU 1/);
  console.log(`two VMs and their schedule after ${((Date.now() - start) / 1000).toFixed(1)} s`);
  await bench.picture('demo');
} finally {
  await bench.close();
}
assert.deepEqual([...bench.outside], [], 'hosts asked that are not this machine');
console.log('demo: passed');
