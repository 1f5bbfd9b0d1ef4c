import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findBinary, NoBinary, type Places } from '../src/adapter/binary.js';
import { isAtLeast, parseVersion } from '../src/adapter/version.js';

const folder = mkdtempSync(join(tmpdir(), 'hvdap-test-'));
after(() => {
  rmSync(folder, { recursive: true });
});

function program(name: string, says: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 });
  return path;
}

const good = program('hvdap', 'hvdap 0.2.0');
const nowhere: Places = { setting: '', bundled: join(folder, 'missing'), searchPath: '' };

async function refused(places: Partial<Places>, expected: RegExp): Promise<void> {
  await assert.rejects(findBinary({ ...nowhere, ...places }, [0, 2, 0]), (error) => {
    assert.ok(error instanceof NoBinary);
    assert.match(error.message, expected);
    return true;
  });
}

test('the setting comes first, then the bundled program, then the search path', async () => {
  const other = program('other', 'hvdap 0.3.1');
  const found = (places: Partial<Places>): Promise<string> =>
    findBinary({ ...nowhere, ...places }, [0, 2, 0]).then(({ path }) => path);
  assert.equal(await found({ setting: other, bundled: good }), other);
  assert.equal(await found({ bundled: other, searchPath: folder }), other);
  assert.equal(await found({ searchPath: `/nonexistent:relative:${folder}` }), good);
});

test('what cannot be used is named with the reason', async () => {
  await refused({}, /not packed .* and not on the search path/);
  await refused({ setting: '/nonexistent/hvdap', bundled: good }, /names \/nonexistent\/hvdap, which is not there/);
  await refused({ setting: program('old', 'hvdap 0.1.9') }, /is hvdap 0.1.9; this extension needs 0.2.0 or newer/);
  await refused({ setting: program('foreign', 'usage: foreign') }, /does not say a version/);
  writeFileSync(join(folder, 'text'), 'no program', { mode: 0o755 });
  await refused({ setting: join(folder, 'text') }, /cannot be run/);
});

test('versions are compared by number', () => {
  assert.deepEqual(parseVersion('hvdap 1.10.3-beta\n'), [1, 10, 3]);
  assert.equal(parseVersion('1.2'), undefined);
  assert.ok(isAtLeast([1, 10, 0], [1, 9, 9]));
  assert.ok(!isAtLeast([0, 9, 9], [1, 0, 0]));
});
