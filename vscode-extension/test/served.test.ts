/** The page that is built into the adapter is the one of these sources. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as esbuild from 'esbuild';
import { served } from '../scripts/served.mjs';

test('the page in page/ is fresh: `npm run build` writes it', async () => {
  const { outputFiles } = await esbuild.build({ ...served, write: false });
  assert.equal(outputFiles.length, 2);
  for (const { path, text } of outputFiles) {
    assert.ok(readFileSync(path, 'utf8') === text, `${path} is stale: run \`npm run build\` and commit it`);
  }
});
