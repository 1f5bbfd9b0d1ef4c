// Writes src/protocol/*.ts, the types of our own requests, from ../schemas/*.schema.json; with --check only compares.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';

const schemas = new URL('../../schemas/', import.meta.url);
const types = new URL('../src/protocol/', import.meta.url);

/** `schedule-stats.arguments.schema.json` is `ScheduleStatsArguments` in `schedule-stats.arguments.ts`. */
function typeName(base) {
  return base.replace(/(?:^|[-.])(\w)/g, (_, letter) => letter.toUpperCase());
}

async function generate(file) {
  const base = file.replace(/\.schema\.json$/, '');
  const schema = JSON.parse(readFileSync(new URL(file, schemas), 'utf8'));
  // The title is the request's name, which is no identifier.
  delete schema.title;
  const text = await compile(schema, typeName(base), {
    additionalProperties: false,
    bannerComment: `// Written by scripts/types.mjs from schemas/${file}.`,
    strictIndexSignatures: true,
    style: { singleQuote: true, printWidth: 120 },
  });
  return [`${base}.ts`, text];
}

const files = readdirSync(schemas).filter((file) => file.endsWith('.schema.json'));
const wanted = new Map(await Promise.all(files.map(generate)));

if (process.argv.includes('--check')) {
  const present = new Map(readdirSync(types).map((name) => [name, readFileSync(new URL(name, types), 'utf8')]));
  const names = new Set([...wanted.keys(), ...present.keys()]);
  const stale = [...names].filter((name) => wanted.get(name) !== present.get(name));
  if (stale.length > 0) {
    console.error(`not as schemas/ says, run \`npm run types\`: ${stale.join(', ')}`);
    process.exit(1);
  }
} else {
  rmSync(types, { recursive: true, force: true });
  mkdirSync(types);
  for (const [name, text] of wanted) {
    writeFileSync(new URL(name, types), text);
  }
}
