// Writes what follows from ../schemas/*.schema.json: src/protocol/*.ts, the types of our own requests, and the
// configuration attributes in package.json. With --check only compares.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';
import { configurationAttributes } from './attributes.mjs';

const schemas = new URL('../../schemas/', import.meta.url);
const extension = new URL('../', import.meta.url);
const types = 'src/protocol/';

function schema(file) {
  return JSON.parse(readFileSync(new URL(file, schemas), 'utf8'));
}

/** `schedule-stats.arguments.schema.json` is `ScheduleStatsArguments` in `schedule-stats.arguments.ts`. */
function typeName(base) {
  return base.replace(/(?:^|[-.])(\w)/g, (_, letter) => letter.toUpperCase());
}

async function typesOf(file) {
  const base = file.replace(/\.schema\.json$/, '');
  // The title is the request's name, which is no identifier.
  const { title: _, ...rest } = schema(file);
  for (const definition of Object.values(rest.$defs ?? {})) {
    delete definition.title;
  }
  const text = await compile(rest, typeName(base), {
    additionalProperties: false,
    bannerComment: `// Written by scripts/schemas.mjs from schemas/${file}.`,
    strictIndexSignatures: true,
    style: { singleQuote: true, printWidth: 120 },
  });
  return [`${types}${base}.ts`, text];
}

function packageJson() {
  const text = readFileSync(new URL('package.json', extension), 'utf8');
  const manifest = JSON.parse(text);
  manifest.contributes.debuggers[0].configurationAttributes = configurationAttributes(schema('launch.schema.json'));
  return ['package.json', `${JSON.stringify(manifest, null, 2)}\n`];
}

const files = readdirSync(schemas).filter((file) => file.endsWith('.schema.json'));
const wanted = new Map([packageJson(), ...(await Promise.all(files.map(typesOf)))]);

if (process.argv.includes('--check')) {
  const present = ['package.json', ...readdirSync(new URL(types, extension)).map((name) => types + name)];
  const stale = present.filter((name) => wanted.get(name) !== readFileSync(new URL(name, extension), 'utf8'));
  const missing = [...wanted.keys()].filter((name) => !present.includes(name));
  if (stale.length + missing.length > 0) {
    console.error(`not as schemas/ says, run \`npm run schemas\`: ${[...stale, ...missing].join(', ')}`);
    process.exit(1);
  }
} else {
  rmSync(new URL(types, extension), { recursive: true, force: true });
  mkdirSync(new URL(types, extension));
  for (const [name, text] of wanted) {
    writeFileSync(new URL(name, extension), text);
  }
}
