// Packs hvdap-TARGET.vsix with the adapter for that platform.
//
// usage: node scripts/package.mjs [--target linux-x64] [--binary ../target/release/hvdap] [--strip strip]
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: `${process.platform}-${process.arch}` },
    strip: { type: 'string', default: 'strip' },
    binary: { type: 'string', default: '../target/release/hvdap' },
  },
});
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

execFileSync(process.execPath, ['esbuild.mjs'], { stdio: 'inherit' });

rmSync('bin', { recursive: true, force: true });
mkdirSync('bin');
copyFileSync(values.binary, 'bin/hvdap');
// The debug information of the debugger is six times its size.
execFileSync(values.strip, ['bin/hvdap']);
chmodSync('bin/hvdap', 0o755);

// One file with the texts of both licences is what the marketplace shows.
const licences = ['MIT', 'APACHE'].map((name) => readFileSync(`../LICENSE-${name}`, 'utf8'));
writeFileSync('LICENSE.txt', `Under either of these licences, at your choice.\n\n${licences.join('\n\n')}`);

const vsix = `hvdap-${values.target}.vsix`;
// VS Code shows the README's pictures from the package itself.
const readme = ['--allow-missing-repository', '--no-rewrite-relative-links'];
const vsce = ['--no-dependencies', ...readme, '--target', values.target, '--out', vsix];
execFileSync(process.execPath, ['node_modules/@vscode/vsce/vsce', 'package', ...vsce], { stdio: 'inherit' });
