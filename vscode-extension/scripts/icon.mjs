// Draws media/icon.png (the marketplace takes no SVG) out of media/icon.svg, with Chromium: node scripts/icon.mjs [chromium]
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [chromium = 'chromium'] = process.argv.slice(2);
const file = (name) => fileURLToPath(new URL(`../media/${name}`, import.meta.url));

execFileSync(chromium, [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--window-size=256,256',
  '--default-background-color=00000000',
  `--screenshot=${file('icon.png')}`,
  file('icon.svg'),
]);
