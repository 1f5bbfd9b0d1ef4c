// VS Code in a browser, driven as a user would: keys, palette, clicks. Every wait names what it waits for.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBrowser } from './browser.mjs';
import { Server } from './server.mjs';

const PATIENCE = 90_000;

/** A theme's label, the class VS Code gives its window, and how pictures of it are called. The usual one is the last. */
const THEMES = [
  ['Dark Modern', 'vs-dark', 'dark'],
  ['Dark High Contrast', 'hc-black', 'contrast'],
  ['Light Modern', 'vs', 'light'],
];

export class Workbench {
  /** Hosts asked that are not this machine. */
  outside = new Set();
  #start = Date.now();

  /**
   * @param {{ scratch: string, workspace: string, vsix: string, pictures: string, settings?: object }} with_
   */
  static async open({ scratch, workspace, vsix, pictures, settings }) {
    const self = new Workbench();
    self.pictures = pictures;
    self.name = basename(scratch);
    mkdirSync(pictures, { recursive: true });
    self.server = await Server.start(scratch, { vsix, settings });
    const { browser, page } = await openBrowser(join(scratch, 'profile'), self.outside);
    Object.assign(self, { browser, page });
    await page.goto(`${self.server.origin}/?${new URLSearchParams({ folder: workspace })}`);
    await page.waitForSelector('.monaco-workbench', { timeout: PATIENCE });
    await page.waitForSelector('.explorer-folders-view .monaco-list-row', { timeout: PATIENCE });
    self.say('workbench');
    return self;
  }

  async close() {
    await this.browser?.close();
    this.server?.stop();
  }

  say(what) {
    console.log(`${((Date.now() - this.#start) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  }

  /** Runs a command by its title in the palette. */
  async command(title) {
    const row = this.page.locator('.quick-input-list .monaco-list-row').first();
    await this.until(`palette: ${title}`, async () => {
      await this.#ask('F1', `>${title}`);
      await sleep(500);
      const found = (await row.innerText({ timeout: 2000 })).includes(title.split(': ').at(-1));
      if (!found) {
        // Commands of an extension that came meanwhile are not added to an open palette.
        await this.page.keyboard.press('Escape');
      }
      return found;
    });
    await this.page.keyboard.press('Enter');
    await sleep(200);
  }

  /** Opens a quick pick and types; again where a change of the focus closed it. */
  async #ask(key, text) {
    const input = this.page.locator('.quick-input-widget input');
    await this.until(`a place to type ${text}`, async () => {
      if (!(await input.isVisible())) {
        await this.page.keyboard.press(key);
      }
      await input.fill(text, { timeout: 2000 });
      return true;
    });
  }

  /** Answers an input box or quick pick. */
  async answer(text) {
    const input = this.page.locator('.quick-input-widget input');
    await input.waitFor({ state: 'visible' });
    await input.fill(text);
    await sleep(200);
    await this.page.keyboard.press('Enter');
  }

  /** Waits until something is so. A failure leaves a picture. */
  async until(what, look, patience = PATIENCE) {
    const deadline = Date.now() + patience;
    for (;;) {
      const found = await Promise.resolve(look()).catch(() => undefined);
      if (found) {
        return found;
      }
      if (Date.now() > deadline) {
        const path = join(this.pictures, `failed-${this.name}.png`);
        await this.page.screenshot({ path });
        assert.fail(`still not: ${what}; see ${path}`);
      }
      await sleep(100);
    }
  }

  /** Waits until an element's text matches all of these. */
  async shows(what, selector, ...patterns) {
    const element = this.page.locator(selector).first();
    await this.until(`${what} shows ${patterns.join(' and ')}`, async () => {
      const text = await element.innerText();
      return patterns.every((pattern) => pattern.test(text));
    });
    this.say(`ok   ${what}`);
  }

  /** Hides the panel, where there is one. */
  async hidePanel() {
    if (await this.page.locator('.part.panel').isVisible()) {
      await this.command('View: Hide Panel');
    }
  }

  async picture(name) {
    // Animations and late icons.
    await sleep(700);
    await this.page.screenshot({ path: join(this.pictures, `${name}.png`) });
  }

  /** Takes the same picture in a dark theme, in one of high contrast and in a light one. */
  async picturesInThemes(name) {
    for (const [theme, kind, suffix] of THEMES) {
      await this.until(theme, () => this.#choosesTheme(theme, kind));
      await this.picture(`${name}-${suffix}`);
    }
  }

  async #choosesTheme(theme, kind) {
    const input = this.page.locator('.quick-input-widget input');
    // A webview that has the focus keeps the first of two keys.
    await this.page.locator('.debug-call-stack').click({ position: { x: 5, y: 5 } });
    await this.page.keyboard.press('Control+k');
    await this.page.keyboard.press('Control+t');
    await input.fill(theme, { timeout: 3000 });
    await sleep(500);
    await this.page.keyboard.press('Enter');
    await sleep(500);
    return this.page.locator(`.monaco-workbench.${kind}`).isVisible();
  }

  /** The pane of a view in the side bar. */
  pane(title) {
    return `.pane:has(> .pane-header[aria-label^="${title}"])`;
  }

  /** Lists draw only what is on screen: room is made by folding others. */
  async fold(title) {
    const header = this.page.locator(`.pane-header[aria-label^="${title}"].expanded`);
    if ((await header.count()) > 0) {
      await header.first().click();
      await sleep(200);
    }
  }

  /** Folds the rows of a tree that have this text, so that there is room for the others. */
  async foldRows(tree, text) {
    const rows = this.page.locator(`${tree} .monaco-list-row[aria-expanded="true"]`, { hasText: text });
    await this.until(`rows with ${text} are folded`, async () => {
      if ((await rows.count()) > 0) {
        await rows.first().locator('.monaco-tl-twistie').click({ timeout: 2000 });
        await sleep(300);
      }
      return (await rows.count()) === 0;
    });
  }

  async unfold(title) {
    const header = this.page.locator(`.pane-header[aria-label^="${title}"]:not(.expanded)`);
    if ((await header.count()) > 0) {
      await header.first().click();
      await sleep(200);
    }
  }

  /** Drags the edge of the side bar. */
  async widenSideBar(width) {
    const bar = await this.page.locator('#workbench\\.parts\\.sidebar').boundingBox();
    const edge = bar.x + bar.width;
    await this.page.mouse.move(edge, bar.y + bar.height / 2);
    await this.page.mouse.down();
    await this.page.mouse.move(bar.x + width, bar.y + bar.height / 2, { steps: 8 });
    await this.page.mouse.up();
  }

  /** Drags the upper edge of a view in the side bar. */
  async heighten(title, by) {
    const pane = await this.page.locator(this.pane(title)).boundingBox();
    const x = pane.x + pane.width / 2;
    await this.page.mouse.move(x, pane.y);
    await this.page.mouse.down();
    await this.page.mouse.move(x, pane.y - by, { steps: 8 });
    await this.page.mouse.up();
  }

  /** The document inside the webview that is shown. */
  webview() {
    return this.page.frameLocator('iframe.webview.ready').last().frameLocator('#active-frame');
  }

  /** Waits until the page in the webview matches all of these. */
  async webviewShows(what, ...patterns) {
    const body = this.webview().locator('body');
    await this.until(`${what} shows ${patterns.join(' and ')}`, async () => {
      const text = await body.innerText();
      return patterns.every((pattern) => pattern.test(text));
    });
    this.say(`ok   ${what}`);
  }

  async openFile(name) {
    await this.#ask('Control+p', name);
    const row = this.page.locator('.quick-input-list .monaco-list-row').first();
    const found = async () => (await row.innerText()).includes(name.split('/').at(-1));
    await this.until(`quick open: ${name}`, found);
    await this.page.keyboard.press('Enter');
    await this.page.waitForSelector('.monaco-editor .view-line');
  }

  async goToLine(line) {
    await this.page.keyboard.press('Control+g');
    await this.answer(`:${line}`);
    await sleep(200);
  }

  /** F9 does nothing until the extension host has told which languages have breakpoints. */
  async breakpointHere() {
    const glyph = this.page.locator('.glyph-margin-widgets [class*=codicon-debug-breakpoint]');
    await this.until('a breakpoint in the margin', async () => {
      if ((await glyph.count()) === 0) {
        await this.page.keyboard.press('F9');
        await sleep(500);
      }
      return (await glyph.count()) > 0;
    });
  }
}
