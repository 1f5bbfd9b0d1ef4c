// On the demo's saved halt, which the workspace has.
const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const vscode = require('vscode');
const { adapters, Sessions, until } = require('./debugger.cjs');

const [folder] = vscode.workspace.workspaceFolders;
const ATTACH = { type: 'hvdap', request: 'attach', name: 'halt', stopOnAttach: true };

async function attached(configuration = ATTACH) {
  const sessions = new Sessions();
  assert.ok(await vscode.debug.startDebugging(folder, configuration));
  return sessions;
}

function file(name) {
  return vscode.Uri.joinPath(folder.uri, name);
}

function lineOf(name, text) {
  const lines = readFileSync(file(name).fsPath, 'utf8').split('\n');
  const line = lines.findIndex((one) => one.includes(text));
  assert.notEqual(line, -1, text);
  return line;
}

exports['activation'] = async () => {
  const extension = vscode.extensions.getExtension('hvdap.hvdap');
  assert.equal(extension.isActive, false);
  const start = performance.now();
  await extension.activate();
  console.log(`     activated in ${(performance.now() - start).toFixed(1)} ms`);
};

exports['the only machine file is found, and each VM has a session of one adapter'] = async () => {
  const sessions = await attached();
  const [root, blinky, courier] = await sessions.all('halt', 'blinky', 'courier');
  assert.equal(adapters().length, 1);
  const threads = async (session) => (await session.customRequest('threads')).threads.map(({ name }) => name);
  assert.deepEqual(await threads(root), ['pCPU 0', 'pCPU 1']);
  assert.equal((await threads(blinky)).length, 2);
  assert.equal((await threads(courier)).length, 1);
  await sessions.stop();
  sessions.dispose();
};

exports['a breakpoint says in which VM it is bound'] = async () => {
  const name = 'src/blinky/ring.c';
  const line = lineOf(name, 'RING_SLOTS');
  const breakpoint = new vscode.SourceBreakpoint(new vscode.Location(file(name), new vscode.Position(line, 0)));
  vscode.debug.addBreakpoints([breakpoint]);
  const sessions = await attached();
  const [, blinky, courier] = await sessions.all('halt', 'blinky', 'courier');
  const bound = await until('the breakpoint is bound in blinky', async () => {
    const known = await blinky.getDebugProtocolBreakpoint(breakpoint);
    return known?.verified && known;
  });
  console.log(`     ${JSON.stringify(bound)}`);
  assert.notEqual((await courier.getDebugProtocolBreakpoint(breakpoint))?.verified, true);
  vscode.debug.removeBreakpoints([breakpoint]);
  await sessions.stop();
  sessions.dispose();
};

exports['the schedule of a saved halt is in its memory'] = async () => {
  const sessions = await attached();
  const [root] = await sessions.all('halt', 'blinky', 'courier');
  await until('the halt is shown', () => vscode.debug.activeStackItem);
  await vscode.commands.executeCommand('hvdap.showSchedule');
  const { lanes } = await root.customRequest('hvdap/schedule', { width: 100 });
  const names = lanes.map(({ name }) => name);
  for (const name of ['pCPU 0', 'blinky/0', 'courier/0']) {
    assert.ok(names.includes(name), `${name} among ${names}`);
  }
  await sessions.stop();
  sessions.dispose();
};

exports['an adapter that is killed takes its sessions along'] = async () => {
  const sessions = await attached();
  await sessions.all('halt', 'blinky', 'courier');
  // One that served the test before may still be waiting for more.
  adapters().forEach((adapter) => process.kill(Number(adapter), 'SIGKILL'));
  await sessions.none();
  sessions.dispose();
};

exports['without a program nothing starts, and nothing hangs'] = async () => {
  const setting = vscode.workspace.getConfiguration('hvdap');
  const before = setting.inspect('path').globalValue;
  await setting.update('path', '/nonexistent/hvdap', vscode.ConfigurationTarget.Global);
  assert.equal(await vscode.debug.startDebugging(folder, ATTACH), false);
  await setting.update('path', before, vscode.ConfigurationTarget.Global);
};

exports['a machine file that cannot be read is a message, and no session'] = async () => {
  const sessions = new Sessions();
  const started = vscode.debug.startDebugging(folder, { ...ATTACH, machine: '/nonexistent.toml' });
  await new Promise((resolve) => setTimeout(resolve, 3000));
  await vscode.commands.executeCommand('notifications.clearAll');
  await sessions.none();
  void started;
  sessions.dispose();
};
