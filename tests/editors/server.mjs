// A VS Code server (code-server) of a test's own, with its own settings and extensions, on a port of the loopback interface.
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_PATIENCE = 60_000;

/** Nothing that moves, asks or downloads. */
const SETTINGS = {
  'chat.disableAIFeatures': true,
  'debug.internalConsoleOptions': 'neverOpen',
  'debug.openDebug': 'openOnSessionStart',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'git.enabled': false,
  'remote.autoForwardPorts': false,
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

/** The folder `install` made. */
export const EDITORS = process.env.HVDAP_EDITORS ?? '';

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Server {
  /**
   * @param {string} folder scratch; emptied
   * @param {{ settings?: object, vsix?: string, options?: string[] }} more
   */
  static async start(folder, { settings = {}, vsix, options = [] } = {}) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, 'user/User'), { recursive: true });
    writeFileSync(join(folder, 'user/User/settings.json'), JSON.stringify({ ...SETTINGS, ...settings }, null, 2));
    writeFileSync(join(folder, 'config.yaml'), 'auth: none\ncert: false\n');
    const common = [
      join(EDITORS, 'node_modules/code-server/out/node/entry.js'),
      ...['--config', join(folder, 'config.yaml'), '--user-data-dir', join(folder, 'user')],
      ...['--extensions-dir', join(folder, 'extensions'), '--disable-telemetry', '--disable-update-check'],
      ...['--disable-getting-started-override', '--disable-proxy'],
      ...(settings['security.workspace.trust.enabled'] === true ? [] : ['--disable-workspace-trust']),
    ];
    const log = openSync(join(folder, 'server.log'), 'w');
    const run = (more) =>
      spawn(process.execPath, [...common, ...more], {
        env: { ...process.env, EXTENSIONS_GALLERY: '{}' },
        stdio: ['ignore', log, log],
      });
    if (vsix !== undefined) {
      await succeeded(run(['--install-extension', vsix]), `installing ${vsix}`);
    }
    const port = await freePort();
    const server = new Server(run(['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, ...options]), port);
    await server.#healthy();
    return server;
  }

  constructor(child, port) {
    this.child = child;
    this.port = port;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  stop() {
    this.child.kill('SIGTERM');
  }

  async #healthy() {
    const deadline = Date.now() + START_PATIENCE;
    while (Date.now() < deadline && this.child.exitCode === null) {
      const answer = await fetch(`${this.origin}/healthz`).catch(() => undefined);
      if (answer?.ok) {
        return;
      }
      await sleep(100);
    }
    this.stop();
    throw new Error('code-server does not answer: see server.log');
  }
}

function succeeded(child, what) {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${what}: exit status ${code}`))));
  });
}
