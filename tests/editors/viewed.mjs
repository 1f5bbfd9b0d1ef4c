// The page of `hvdap trace view` in Chromium without a window.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PATIENCE = 60_000;

/** `hvdap trace view`, serving. */
export class Viewed {
  /** @param {string[]} options what follows `hvdap trace view --no-open` */
  static async start(options) {
    const binary = process.env.HVDAP_BIN;
    if (!binary) {
      throw new Error('HVDAP_BIN names no hvdap');
    }
    const began = performance.now();
    const child = spawn(binary, ['trace', 'view', '--no-open', ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const line = await Promise.race([
      new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve)),
      ended.then((code) => Promise.reject(new Error(`hvdap ended with ${code}`))),
    ]);
    return new Viewed(child, ended, JSON.parse(line).url, began);
  }

  constructor(child, ended, url, began) {
    Object.assign(this, { child, ended, url, began });
  }

  async stop() {
    this.child.kill('SIGTERM');
    return this.ended;
  }

  /** Asks as the page does. */
  async ask(command, wanted = {}) {
    const body = JSON.stringify({ command: `hvdap/${command}`, arguments: wanted });
    const answer = await (await fetch(new URL('request', this.url), { method: 'POST', body })).json();
    if (answer.error !== undefined) {
      throw new Error(answer.error);
    }
    return answer.body;
  }
}

/**
 * A browser and a page in it; what the page complains of and whom else it asks is gathered.
 * @param {{ size?: { width: number, height: number }, flags?: string[] }} more
 */
export async function openBrowser({ size = { width: 1600, height: 900 }, flags = [] } = {}) {
  const { chromium } = createRequire(join(process.env.HVDAP_EDITORS ?? '', 'package.json'))('playwright-core');
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...flags] });
  const page = await (await browser.newContext({ viewport: size, acceptDownloads: true })).newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      complaints.push(message.text());
    }
  });
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (/^(https?|wss?):$/.test(protocol) && hostname !== '127.0.0.1') {
      complaints.push(`asked ${request.url()}`);
    }
  });
  return { browser, page, complaints, close: () => browser.close() };
}

/** Waits until the lanes are drawn: the canvas has colours other than the background's. */
export async function drawn(page) {
  await page.waitForFunction(
    () => {
      const canvas = document.querySelector('.stage canvas');
      if (!canvas || canvas.width < 300 || canvas.height < 100) {
        return false;
      }
      // A strip of it, so that looking costs the page little.
      const [left, width, height] = [300, 40, Math.min(canvas.height, 300)];
      const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
      copy.drawImage(canvas, -left, 0);
      const colours = new Set(new Uint32Array(copy.getImageData(0, 0, width, height).data.buffer));
      return colours.size > 4;
    },
    undefined,
    { timeout: PATIENCE, polling: 20 },
  );
}
