import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';

interface Manifest {
  icon: string;
  contributes: {
    commands: { command: string }[];
    menus: Record<string, { command: string; when: string }[]>;
    walkthroughs: { steps: { media: { markdown: string }; description: string }[] }[];
    debuggers: {
      initialConfigurations: object[];
      configurationSnippets: { label: string; body: object }[];
      configurationAttributes: Record<string, { properties: object }>;
    }[];
  };
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const schema = JSON.parse(readFileSync('../schemas/launch.schema.json', 'utf8')) as object & { properties: object };
const { contributes } = manifest;
const [hvdap] = contributes.debuggers;

/** What the user gets of a snippet: placeholders filled, `^"…"` unpacked, escapes gone. */
function filled(value: unknown): unknown {
  if (typeof value !== 'string') {
    return value;
  }
  const text = value.startsWith('^') ? (JSON.parse(value.slice(1).replace(/\\\$/g, '$')) as string) : value;
  return text.replace(/\$\{\d+:([^}]*)\}/g, '$1');
}

test('snippets and initial configurations are what the adapter takes', () => {
  const valid = new Ajv2020({ strict: false, formats: { uint16: true, uint32: true } }).compile({
    ...schema,
    additionalProperties: false,
    properties: { ...schema.properties, type: { const: 'hvdap' }, request: { enum: ['attach', 'launch'] }, name: {} },
  });
  const snippets = hvdap?.configurationSnippets.map(({ body }) =>
    Object.fromEntries(Object.entries(body).map(([key, value]) => [key, filled(value)])),
  );
  const all = [...(hvdap?.initialConfigurations ?? []), ...(snippets ?? [])];
  assert.ok(all.length > 3);
  for (const configuration of all) {
    assert.ok(valid(configuration), JSON.stringify([configuration, valid.errors]));
  }
});

test('the settings of launch.json are those of the schema', () => {
  for (const request of ['attach', 'launch']) {
    const properties = hvdap?.configurationAttributes[request]?.properties ?? {};
    assert.deepEqual(Object.keys(properties).sort(), Object.keys(schema.properties).sort());
    assert.doesNotMatch(JSON.stringify(properties), /\$ref|\$defs/);
  }
});

test('every command is registered, and every menu names one that is there', () => {
  const code = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(`src/${name}`, 'utf8'))
    .join('\n');
  const commands = contributes.commands.map(({ command }) => command);
  for (const command of commands) {
    assert.ok(code.includes(`registerCommand('${command}'`), command);
  }
  const used = Object.values(contributes.menus).flatMap((entries) => entries.map(({ command }) => command));
  const linked = contributes.walkthroughs.flatMap(({ steps }) =>
    steps.flatMap(({ description }) => [...description.matchAll(/\(command:([\w.]+)\)/g)].map(([, command]) => command)),
  );
  for (const command of [...used, ...linked]) {
    assert.ok(command !== undefined && commands.includes(command), command);
  }
});

test('every file that the manifest names is there', () => {
  const steps = contributes.walkthroughs.flatMap(({ steps: all }) => all);
  for (const file of [manifest.icon, ...steps.map(({ media }) => media.markdown)]) {
    assert.ok(existsSync(file), file);
  }
});
