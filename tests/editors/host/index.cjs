// What VS Code calls in the extension host: runs every test of this folder, one after the other.
const { readdirSync } = require('node:fs');
const { join } = require('node:path');

const PATIENCE = 40_000;

exports.run = async () => {
  const failures = [];
  for (const file of readdirSync(__dirname).filter((name) => name.endsWith('.test.cjs'))) {
    for (const [name, test] of Object.entries(require(join(__dirname, file)))) {
      const start = Date.now();
      try {
        await Promise.race([test(), tooLate()]);
        console.log(`ok   ${name} (${Date.now() - start} ms)`);
      } catch (error) {
        failures.push(name);
        console.error(`FAIL ${name}: ${error?.stack ?? error}`);
      }
    }
  }
  if (failures.length > 0) {
    throw new Error(`failed: ${failures.join(', ')}`);
  }
};

function tooLate() {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no end after ${PATIENCE / 1000} s`)), PATIENCE).unref();
  });
}
