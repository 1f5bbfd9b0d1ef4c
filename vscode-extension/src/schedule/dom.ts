/** Elements made by code. Text is only ever text: names of VMs and tasks may have any signs in them. */
import { plain } from './plain';

type Child = Node | string;

/** Makes an element with attributes and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children.map((child) => (typeof child === 'string' ? plain(child) : child)));
  return made;
}

/** A button with a text or a sign, and what it does in words. */
export function button(text: string, title: string, press: () => void): HTMLButtonElement {
  const made = element('button', { type: 'button', title, 'aria-label': title }, text);
  made.addEventListener('click', press);
  return made;
}

/** A table with a caption, for the eye and for screen readers. The first cell of each row is its heading. */
export function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): HTMLTableElement {
  const heads = head.map((text) => element('th', { scope: 'col' }, text));
  const bodyRow = ([first = '', ...rest]: readonly string[]) =>
    element('tr', {}, element('th', { scope: 'row' }, first), ...rest.map((text) => element('td', {}, text)));
  return element(
    'table',
    {},
    element('caption', {}, caption),
    element('thead', {}, element('tr', {}, ...heads)),
    element('tbody', {}, ...rows.map(bodyRow)),
  );
}
