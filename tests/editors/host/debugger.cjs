// The verbs of a test in the extension host.
const assert = require('node:assert/strict');
const { readdirSync, readFileSync } = require('node:fs');
const vscode = require('vscode');

/** Waits until something is so; returns it. */
async function until(what, look, patience = 20_000) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) {
      return found;
    }
    assert.ok(Date.now() < deadline, `still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Follows the debug sessions from now on. */
class Sessions {
  live = new Map();
  #following = [
    vscode.debug.onDidStartDebugSession((session) => this.live.set(session.name, session)),
    vscode.debug.onDidTerminateDebugSession((session) => this.live.delete(session.name)),
  ];

  async all(...names) {
    const there = () => names.every((name) => this.live.has(name));
    await until(`sessions ${names}`, there);
    return names.map((name) => this.live.get(name));
  }

  async none() {
    await until('no session left', () => this.live.size === 0);
  }

  async stop() {
    await vscode.debug.stopDebugging();
    await this.none();
  }

  dispose() {
    this.#following.forEach((one) => one.dispose());
  }
}

/** The adapters this extension host started, by process number. */
function adapters() {
  return readdirSync('/proc').filter((entry) => {
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      const parent = /\) \S+ (\d+) /.exec(readFileSync(`/proc/${entry}/stat`, 'utf8'))?.[1];
      return command[1] === 'dap' && Number(parent) === process.pid;
    } catch {
      // It is gone, or no process.
      return false;
    }
  });
}

module.exports = { adapters, Sessions, until };
