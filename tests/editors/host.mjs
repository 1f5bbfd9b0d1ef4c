// Runs the extension-host tests (host/) in a real VS Code server: its smoke-test driver takes the place of Electron.
//
// usage: node host.mjs WORKSPACE SCRATCH
import { join, resolve } from 'node:path';
import { openBrowser } from './browser.mjs';
import { Server } from './server.mjs';

const PATIENCE = 180_000;
const here = import.meta.dirname;
const [workspace, scratch] = process.argv.slice(2).map((path) => resolve(path));

const server = await Server.start(join(scratch, 'host'), {
  // Without the driver a built VS Code does not look at the test arguments.
  options: ['--vscode-option', 'enable-smoke-test-driver'],
});
const { browser, page } = await openBrowser(join(scratch, 'host/profile'));
let code = 'no answer';
try {
  const ended = new Promise((done) => {
    void page.exposeFunction('codeAutomationExit', done);
  });
  await page.exposeFunction('codeAutomationLog', (_kind, words) => console.log(...words));
  const uri = (path) => `vscode-remote://127.0.0.1:${server.port}${path}`;
  const payload = [
    ['extensionDevelopmentPath', uri(resolve(here, '../../vscode-extension'))],
    ['extensionTestsPath', uri(join(here, 'host/index.cjs'))],
    ['skipWelcome', 'true'],
  ];
  const query = new URLSearchParams({ folder: workspace, payload: JSON.stringify(payload) });
  await page.goto(`${server.origin}/?${query}`);
  let timer;
  const late = new Promise((done) => {
    timer = setTimeout(done, PATIENCE, 'no answer');
  });
  code = await Promise.race([ended, late]);
  clearTimeout(timer);
  if (code !== 0) {
    await page.screenshot({ path: join(scratch, 'host/failed.png') });
  }
} finally {
  await browser.close();
  server.stop();
}
console.log(`extension-host tests: ${code === 0 ? 'passed' : `failed (${code})`}`);
process.exit(code === 0 ? 0 : 1);
