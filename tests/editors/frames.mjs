// How long a frame of the schedule takes while it is panned and zoomed, and the memory of the page.
//
// usage: frames.mjs [TRACE [OPTION OF hvdap trace view...]]     HVDAP_BIN and HVDAP_EDITORS as for the other tests here
//
// Without a trace, one of 10⁷ records of 24 lanes is made. Chromium draws as often as it can, not in step with a screen: the time from
// frame to frame is what a frame costs, all of it, software drawing included. Other work on the processors is in it; the processor time of
// the page's own thread, which is told too, has less of that. Prints rows as tests/bench does; exit status 3 when a bound is missed.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HERTZ, writeBusy } from './busy.mjs';
import { figure } from './figures.mjs';
import { Viewed, openBrowser } from './viewed.mjs';

const BOUNDS = { median: 16, worst: 50, memory: 150 };
/** Frames of each way of moving, and what the wheel does in them. */
const FRAMES = 150;
const WAYS = [
  ['zoom in', [[0, -20]]],
  ['pan', [[12, 0]]],
  ['zoom in', [[0, -20]]],
  ['pan', [[-12, 0]]],
  ['zoom in', [[0, -20]]],
  ['pan back and forth', [[40, 0], [40, 0], [-40, 0]]],
  ['zoom out', [[0, 60]]],
  ['pan, zoomed out', [[5, 0], [-5, 0]]],
];

const scratch = mkdtempSync(join(tmpdir(), 'hvdap-frames-'));
let options = process.argv.slice(2);
if (options.length === 0) {
  const file = join(scratch, 'busy.xentrace');
  writeBusy(file, { records: 1e7, cores: 6, sharing: 3 });
  options = [file, '--hz', String(HERTZ)];
}
const { browser, close } = await openBrowser({ flags: ['--disable-frame-rate-limit', '--disable-gpu-vsync'] });
const whole = await browser.newBrowserCDPSession();
const viewed = await Viewed.start(options);

/**
 * A page that Playwright does not know of: what it watches keeps the answers of all requests in the page's memory.
 * Its session's messages go through the browser's.
 */
async function unwatched(url) {
  const { browserContextId } = await whole.send('Target.createBrowserContext');
  const { targetId } = await whole.send('Target.createTarget', { url, browserContextId, width: 1600, height: 1000 });
  const { sessionId } = await whole.send('Target.attachToTarget', { targetId, flatten: false });
  const waiting = [];
  whole.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, result } = JSON.parse(message);
    waiting[id]?.(result);
  });
  return (method, params = {}) =>
    new Promise((resolve) => {
      const id = waiting.push(resolve) - 1;
      void whole.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method, params }) });
    });
}

const send = await unwatched(viewed.url);
const evaluate = async (expression) =>
  (await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })).result.value;
const metric = async (name) => (await send('Performance.getMetrics')).metrics.find((one) => one.name === name).value;
await send('Performance.enable', { timeDomain: 'threadTicks' });
while ((await viewed.ask('traceInfo')).growing) {
  await sleep(100);
}
console.log(`read to its end ${Math.round(performance.now() - viewed.began)} ms after the program was started`);
await sleep(2000);

/** Turns the wheel once a frame, over the middle of the lanes, and gives the times between frames. */
const move = (wheel) =>
  evaluate(`new Promise((resolve) => {
    const wheel = ${JSON.stringify(wheel)};
    const canvas = document.querySelector('.stage canvas');
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const times = [];
    const frame = (now) => {
      times.push(now);
      const [deltaX, deltaY] = wheel[times.length % wheel.length];
      const place = { clientX: left + width * 0.6, clientY: top + height / 2 };
      canvas.dispatchEvent(new WheelEvent('wheel', { ...place, deltaX, deltaY, bubbles: true, cancelable: true }));
      if (times.length <= ${FRAMES}) {
        requestAnimationFrame(frame);
      } else {
        resolve(times.slice(1).map((time, at) => time - times[at]));
      }
    };
    requestAnimationFrame(frame);
  })`);

const sorted = (times) => [...times].sort((a, b) => a - b);
const all = [];
let memory = 0;
const busyBefore = await metric('TaskDuration');
for (const [name, wheel] of WAYS) {
  const times = sorted(await move(wheel));
  all.push(...times);
  memory = Math.max(memory, await renderers());
  const at = (part) => times[Math.floor((times.length - 1) * part)].toFixed(1);
  console.log(`${name.padEnd(20)} median ${at(0.5)} ms, 99 % ${at(0.99)} ms, worst ${at(1)} ms`);
}
const times = sorted(all);
const [median, worst] = [times[times.length >> 1], times.at(-1)];
const processor = (((await metric('TaskDuration')) - busyBefore) * 1000) / all.length;
await close();
await viewed.stop();
rmSync(scratch, { recursive: true, force: true });

console.log(`processor time of the page's thread: ${processor.toFixed(1)} ms a frame`);
figure('frame of the schedule, panned and zoomed, 10⁷ records: median', median, BOUNDS.median, 'ms');
figure('  worst', worst, BOUNDS.worst, 'ms');
figure('  private memory of the page', memory, BOUNDS.memory, 'MB');

/** Megabytes of the largest page process that belong to no file. */
async function renderers() {
  const { processInfo } = await whole.send('SystemInfo.getProcessInfo');
  return Math.max(...processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => privateMegabytes(id)));
}

function privateMegabytes(pid) {
  const line = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) / 1000;
}
