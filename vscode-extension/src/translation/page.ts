/** The translation panel's page: both stages of a walk, each descriptor decoded. Draws what it is sent, and keeps it. */

import type { Step } from '../protocol/translate.js';
import type { ToHost, ToPage } from './messages.js';
import { grouped, legs, outcome, rights, type Leg } from './walk.js';
import './page.css';

declare function acquireVsCodeApi(): {
  postMessage(message: ToHost): void;
  getState(): ToPage | undefined;
  setState(state: ToPage): void;
};

const host = acquireVsCodeApi();
const form = element('form', 'ask');
const input = document.createElement('input');
const walk = element('main', 'walk');

form.append(label('Address'), input, button('Translate'));
input.placeholder = '0xffff800080010000';
input.spellcheck = false;
input.id = 'address';
form.addEventListener('submit', (event) => {
  event.preventDefault();
  host.postMessage({ translate: input.value });
});
document.body.append(form, walk);

window.addEventListener('message', ({ data }: MessageEvent<ToPage>) => {
  host.setState(data);
  draw(data);
});

const before = host.getState();
if (before === undefined) {
  host.postMessage({ ready: true });
} else {
  draw(before);
}

function draw(message: ToPage): void {
  if ('error' in message) {
    walk.replaceChildren(text('h1', '', message.who), text('p', 'outcome failed', message.error));
    return;
  }
  const { show, who } = message;
  input.value = show.address;
  const failed = show.result === undefined;
  walk.replaceChildren(
    text('h1', '', who),
    text('p', failed ? 'outcome failed' : 'outcome', outcome(show)),
    text('p', 'rights', rights(show)),
    ...legs(show).map(legSection),
  );
}

function legSection(leg: Leg): HTMLElement {
  const section = element('section', `leg stage${leg.stage}`);
  const [first] = leg.steps;
  const from = `${leg.stage === 1 ? 'VA' : 'IPA'} ${first?.input ?? ''}`;
  section.append(text('h2', '', `Stage ${leg.stage}`), text('span', 'from', from), ...leg.steps.map(stepCard));
  return section;
}

function stepCard(step: Step): HTMLElement {
  const failed = step.failed !== undefined;
  const card = element('article', failed ? 'step failed' : 'step');
  const head = element('header', '');
  head.append(text('b', '', `Level ${step.level}`), text('span', `kind ${step.kind}`, step.kind));
  card.append(head);
  if (step.descriptorAddress !== step.physicalAddress) {
    card.append(pair('at IPA', step.descriptorAddress));
  }
  card.append(pair('at PA', step.physicalAddress));
  card.append(pair('descriptor', grouped(step.descriptor)));
  if (step.output !== undefined) {
    card.append(pair(step.kind === 'table' ? 'next table' : 'output', step.output));
  }
  const attributes = element('ul', 'attributes');
  attributes.append(...step.attributes.map(({ name, value }) => text('li', '', `${name} ${value}`)));
  card.append(attributes);
  if (step.failed !== undefined) {
    card.append(text('p', 'reason', `✗ ${step.failed}`));
  }
  return card;
}

function pair(name: string, value: string): HTMLElement {
  const line = element('div', 'pair');
  line.append(text('span', 'name', name), text('code', '', value));
  return line;
}

function element(tag: string, className: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}

/** Text is never markup: names and values come from the target. */
function text(tag: string, className: string, content: string): HTMLElement {
  const made = element(tag, className);
  made.textContent = content;
  return made;
}

function label(content: string): HTMLElement {
  const made = document.createElement('label');
  made.htmlFor = 'address';
  made.textContent = content;
  return made;
}

function button(content: string): HTMLElement {
  const made = document.createElement('button');
  made.textContent = content;
  return made;
}
