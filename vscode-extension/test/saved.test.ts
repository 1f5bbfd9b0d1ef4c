import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isSavedHalt } from '../src/session/saved.js';

const folder = mkdtempSync(join(tmpdir(), 'hvdap-test-'));
after(() => {
  rmSync(folder, { recursive: true });
});

function machineFile(text: string): string {
  const path = join(folder, 'hvdap.toml');
  writeFileSync(path, text);
  return path;
}

test('a saved halt is known by what is attached to', async () => {
  assert.equal(await isSavedHalt({ target: 'snapshot:a.core' }), true);
  assert.equal(await isSavedHalt({ target: 'gdb::1234', machine: { target: { connect: 'snapshot:a' } } }), false);
  assert.equal(await isSavedHalt({ machine: { target: { connect: 'snapshot:a' } } }), true);
  assert.equal(await isSavedHalt({ machine: machineFile('[target]\nconnect = "snapshot:halt.core.zst"\n') }), true);
  assert.equal(await isSavedHalt({ machine: machineFile('[target]\nconnect = "gdb:unix:snapshot:"\n') }), false);
  assert.equal(await isSavedHalt({ machine: '/nonexistent/hvdap.toml' }), false);
  assert.equal(await isSavedHalt({}), false);
});
