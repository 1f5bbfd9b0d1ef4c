// The schedule view's page in a real browser: what it draws, tells and does, and pictures of it in every theme.
//
// usage: page.mjs FOLDER      pictures go there; HVDAP_BIN names the adapter, HVDAP_EDITORS the folder that `install` made
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HERTZ, writeBusy } from './busy.mjs';
import { Viewed, drawn, openBrowser } from './viewed.mjs';

const pictures = process.argv[2] ?? 'target/screenshots';
const scratch = mkdtempSync(join(tmpdir(), 'hvdap-page-test-'));
mkdirSync(pictures, { recursive: true });

/** A minute of four cores with some losses, and one of many vCPUs; names with all kinds of signs. */
const small = join(scratch, 'small.xentrace');
const many = join(scratch, 'many.xentrace');
writeBusy(small, { records: 120_000, cores: 4, sharing: 4, vms: 3, longest: 250_000, loses: true });
writeBusy(many, { records: 60_000, cores: 16, sharing: 16, vms: 8, longest: 20_000 });
const NAMES = ['0=Dom0', '1=<img src=x onerror=alert(1)>', '2=Ünï\u202Ecode 👩‍💻 with a name that is much too long for its place'];
const named = NAMES.flatMap((name) => ['--name', name]);

const tests = [];
const test = (name, run) => tests.push([name, run]);

/** A page of the small trace; the mouse over a lane's middle. */
async function opened(body, { scheme = 'dark', contrast = 'no-preference', file = small, size } = {}) {
  const viewed = await Viewed.start([file, '--hz', String(HERTZ), ...named]);
  const { page, complaints, close } = await openBrowser({ size });
  try {
    await page.emulateMedia({ colorScheme: scheme, contrast });
    await page.goto(viewed.url);
    await drawn(page);
    await page.waitForTimeout(700);
    await body({ page, viewed, picture: (name) => page.screenshot({ path: join(pictures, `${name}.png`) }) });
    assert.deepEqual(complaints, []);
  } finally {
    await close();
    await viewed.stop();
  }
}

const status = (page) => page.textContent('.status');
const told = (page) => page.textContent('#said');
async function pressed(page, ...keys) {
  for (const key of keys) {
    await page.keyboard.press(key);
    await page.waitForTimeout(250);
  }
}
async function wheel(page, notches, by) {
  await page.mouse.move(900, 320);
  for (let notch = 0; notch < notches; notch++) {
    await page.mouse.wheel(0, by);
    await page.waitForTimeout(40);
  }
  await page.waitForTimeout(600);
}

for (const [name, scheme, contrast] of [
  ['dark', 'dark', 'no-preference'],
  ['light', 'light', 'no-preference'],
  ['high-contrast-dark', 'dark', 'more'],
  ['high-contrast-light', 'light', 'more'],
]) {
  test(`pictures, ${name}`, () =>
    opened(
      async ({ page, picture }) => {
        await picture(`page-${name}-all`);
        await wheel(page, 12, -400);
        await page.mouse.move(905, 322);
        await page.waitForTimeout(200);
        await picture(`page-${name}-near`);
      },
      { scheme, contrast },
    ));
}

test('everything by keys', () =>
  opened(async ({ page, picture }) => {
    await pressed(page, 'ArrowDown', 'ArrowDown', 'PageDown', 'ArrowUp');
    assert.match(await told(page), /at \d|since|from/u);
    await pressed(page, 'n');
    await page.waitForTimeout(600);
    assert.match(await status(page), /preempted|µs|ms/u);
    await pressed(page, 'y');
    assert.match(await page.textContent('.panel.why'), /(waited|blocked|ran|was) .*core|pCPU/u);
    await picture('page-why');
    await pressed(page, 'Shift+ArrowRight', 'Shift+ArrowRight');
    await page.waitForTimeout(1200);
    assert.match(await page.textContent('.panel.selection'), /from \d.* to \d.*VMs and vCPUs.*Cores/su);
    await picture('page-selection');
    await pressed(page, 'Escape', 'Escape', 't');
    await page.waitForTimeout(500);
    const rows = await page.locator('.panel.lanes tbody tr').count();
    assert.ok(rows >= 8, `${rows} rows`);
    await picture('page-table');
    await pressed(page, 't', '?');
    assert.ok(await page.locator('dialog').isVisible());
    await picture('page-keys');
    await pressed(page, 'Escape');
    assert.ok(!(await page.locator('dialog').isVisible()));
    const before = await status(page);
    await pressed(page, 'w', 'w', 'd');
    assert.notEqual(await status(page), before);
    await pressed(page, 'f');
    assert.equal((await status(page)).match(/seen of/gu)?.length, 1);
  }));

test('search for a wait that lasts', () =>
  opened(async ({ page, picture }) => {
    await page.selectOption('select[aria-label="What to look for"]', 'wait-longer-than');
    await page.fill('input[type=text]', '5 ms');
    await page.check('input[type=checkbox]');
    await page.click('button[aria-label^="The next one"]');
    await page.waitForTimeout(900);
    const said = await told(page);
    const wait = /: ([\d.]+) ms$/u.exec(said);
    assert.ok(wait && Number(wait[1]) >= 5, said);
    await picture('page-search');
    await page.fill('input[type=text]', 'soon');
    await page.click('button[aria-label^="The next one"]');
    await page.waitForTimeout(300);
    assert.match(await told(page), /no length of time/u);
  }));

test('the pointer: hover, drag, select, double click', () =>
  opened(async ({ page }) => {
    await page.mouse.move(900, 130);
    await page.waitForTimeout(100);
    await page.mouse.move(901, 131);
    const card = await page.textContent('.card');
    assert.match(card, /running|waiting|blocked|idle/u);
    const before = await status(page);
    await page.mouse.move(600, 78);
    await page.mouse.down();
    await page.mouse.move(800, 78, { steps: 5 });
    await page.mouse.up();
    await page.waitForTimeout(1200);
    assert.match(await page.textContent('.panel.selection'), /Hz.*Running/su);
    assert.equal((await status(page)).split('seen of')[0].slice(-8), before.split('seen of')[0].slice(-8));
    await page.mouse.dblclick(900, 130);
    await page.waitForTimeout(600);
    assert.notEqual((await status(page)).split('seen of')[0].slice(-8), before.split('seen of')[0].slice(-8));
  }));

test('names are only ever text', () =>
  opened(async ({ page }) => {
    await pressed(page, 't');
    await page.waitForTimeout(500);
    assert.equal(await page.locator('img').count(), 0);
    assert.match(await page.textContent('.panel.lanes'), /<img src=x onerror=alert\(1\)>\/0/u);
  }));

test('only the lanes that are seen are asked for, and never more cells than pixels', () =>
  opened(
    async ({ page, viewed, picture }) => {
      const { lanes } = await viewed.ask('traceInfo');
      assert.ok(lanes > 256, `${lanes} lanes`);
      const asked = [];
      page.on('request', (request) => {
        const question = request.postDataJSON();
        if (question?.command === 'hvdap/schedule') {
          asked.push(question.arguments);
        }
      });
      await picture('page-many');
      await pressed(page, 'PageDown', 'PageDown', 'PageDown', 'w', 'w');
      await page.waitForTimeout(1500);
      await picture('page-many-scrolled');
      assert.ok(asked.length > 0);
      for (const { width, lanes: some } of asked) {
        assert.ok(some.length <= 80 && width <= 1600, `${some.length} lanes of ${width}`);
      }
    },
    { file: many },
  ));

test('a narrow window', () =>
  opened(
    async ({ page, picture }) => {
      await pressed(page, 'ArrowDown', 't');
      await page.waitForTimeout(500);
      await picture('page-narrow');
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    },
    { size: { width: 640, height: 520 } },
  ));

test('an export is saved', () =>
  opened(async ({ page }) => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.selectOption('select[aria-label^="Export"]', 'perfetto'),
    ]);
    assert.equal(download.suggestedFilename(), 'schedule.pftrace');
  }));

test('the server ends while the page is open', async () => {
  const viewed = await Viewed.start([small, '--hz', String(HERTZ)]);
  const { page, close } = await openBrowser();
  await page.goto(viewed.url);
  await drawn(page);
  await viewed.stop();
  await pressed(page, 'w');
  await page.waitForTimeout(500);
  assert.match(await status(page), /has ended/u);
  await close();
});

let failed = 0;
const wanted = process.argv.slice(3);
for (const [name, run] of tests.filter(([name]) => wanted.length === 0 || wanted.some((one) => name.includes(one)))) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${error.stack}`);
  }
}
rmSync(scratch, { recursive: true, force: true });
process.exitCode = failed === 0 ? 0 : 1;
