// Chromium without a window, which reaches nothing but this machine.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { EDITORS } from './server.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * @param {string} profile a folder that is empty
 * @param {Set<string>} outside gets the hosts that were asked, other than this machine
 */
export async function openBrowser(profile, outside = new Set()) {
  const { chromium } = createRequire(join(EDITORS, 'package.json'))('playwright-core');
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    viewport: { width: 1600, height: 1200 },
    args: FLAGS,
  });
  const page = browser.pages()[0] ?? (await browser.newPage());
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    // Files of webviews have a host name too; VS Code's service worker answers these.
    const here = hostname === '127.0.0.1' || hostname.endsWith('.vscode-resource.vscode-cdn.net');
    if (/^(https?|wss?):$/.test(protocol) && !here) {
      outside.add(hostname);
    }
  });
  return { browser, page };
}
