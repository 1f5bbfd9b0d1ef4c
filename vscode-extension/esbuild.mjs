// Bundles the extension (for Node) and the pages of its panels (for a browser); with --tests the unit tests instead.
import { readdirSync, rmSync } from 'node:fs';
import * as esbuild from 'esbuild';
import { served } from './scripts/served.mjs';

const watch = process.argv.includes('--watch');
const common = { bundle: true, minify: !watch, sourcemap: watch, target: 'es2022', logLevel: 'warning' };

const extension = {
  ...common,
  entryPoints: { extension: 'src/extension.ts' },
  outdir: 'dist',
  platform: 'node',
  format: 'cjs',
  external: ['vscode'],
};

// The schedule page is also what `hvdap trace view` serves, see scripts/served.mjs.
const pages = {
  ...common,
  entryPoints: { schedule: 'src/schedule/page.ts', translation: 'src/translation/page.ts' },
  outdir: 'dist',
  platform: 'browser',
  format: 'iife',
};

const tests = () => ({
  ...common,
  minify: false,
  sourcemap: 'inline',
  entryPoints: readdirSync('test', { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name}`),
  outdir: 'out/test',
  outbase: 'test',
  outExtension: { '.js': '.mjs' },
  platform: 'node',
  format: 'esm',
  packages: 'external',
});

if (process.argv.includes('--tests')) {
  rmSync('out', { recursive: true, force: true });
  await esbuild.build(tests());
} else if (watch) {
  for (const options of [extension, pages]) {
    await (await esbuild.context(options)).watch();
  }
} else {
  rmSync('dist', { recursive: true, force: true });
  await Promise.all([extension, pages, served].map((options) => esbuild.build(options)));
}
