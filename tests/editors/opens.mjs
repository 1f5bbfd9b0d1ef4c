// How long it takes until a trace of a gigabyte is on the screen: while it is read for the first time, and from its index.
//
// usage: opens.mjs [TRACE]     HVDAP_BIN and HVDAP_EDITORS as for the other tests here; without a trace, one is made
//
// From the start of hvdap to lanes on the canvas; the browser has been started before. Exit status 3 when a bound is missed.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HERTZ, writeBusy } from './busy.mjs';
import { figure } from './figures.mjs';
import { Viewed, drawn, openBrowser } from './viewed.mjs';

const BOUND = 1000;
const RECORDS = 62.5e6;

const scratch = mkdtempSync(join(tmpdir(), 'hvdap-opens-'));
const file = process.argv[2] ?? join(scratch, 'busy.xentrace');
if (process.argv[2] === undefined) {
  writeBusy(file, { records: RECORDS });
}
console.log(`${(statSync(file).size / 1e9).toFixed(2)} GB`);
const index = join(scratch, 'index');
const { page, close } = await openBrowser();
await page.goto('about:blank');

/** Milliseconds until the picture, until all is read, and what was known at the picture. */
async function open() {
  const viewed = await Viewed.start([file, '--hz', String(HERTZ), '--index', index]);
  const since = () => Math.round(performance.now() - viewed.began);
  const serves = since();
  await page.goto(viewed.url);
  await drawn(page);
  const picture = since();
  const { events, growing } = await viewed.ask('traceInfo');
  while ((await viewed.ask('traceInfo')).growing) {
    await sleep(50);
  }
  const read = since();
  await viewed.stop();
  return { serves, picture, read, events, growing };
}

const first = await open();
console.log(`first time: serves after ${first.serves} ms, picture after ${first.picture} ms (${first.events} events then), all read after ${first.read} ms`);
const again = [await open(), await open(), await open()].sort((a, b) => a.picture - b.picture)[1];
console.log(`from its index: serves after ${again.serves} ms, picture after ${again.picture} ms`);
await close();
rmSync(scratch, { recursive: true, force: true });
figure('start of `hvdap trace view` → its picture, 1 GB xentrace, first time', first.picture, BOUND, 'ms');
figure('  from its index', again.picture, BOUND, 'ms');
