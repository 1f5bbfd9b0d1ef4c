/** The line at the bottom: what is shown, how much of it, what is wrong with it; and what screen readers are told. */
import { describe } from './describe';
import { element } from './dom';
import { plain } from './plain';
import { duration, moment } from './time';
import type { View } from './view';

/** Text that changes oftener cannot be read, and would cost a layout each frame; in milliseconds. */
const EVERY = 100;

export class Status {
  readonly root: HTMLElement;
  private readonly left = element('span');
  private readonly right = element('span', { class: 'right' });
  private readonly said = element('span', { id: 'said', role: 'status', 'aria-live': 'polite', class: 'said' });
  private lastSaid = '';
  private lastCursor = '';
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly view: View) {
    this.root = element('div', { class: 'status' }, this.left, this.said, element('span', { class: 'gap' }), this.right);
    view.onChange(() => {
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        this.update();
      }, EVERY);
    });
  }

  private update(): void {
    const { view } = this;
    const { data, viewport } = view;
    const { about } = data;
    // Of a path, the file.
    this.left.textContent = plain(about?.title.replace(/^.*\/(?=[^/])/su, '') ?? '');
    this.left.title = about?.title ?? '';
    const cursor = this.cursorText();
    if (view.said !== this.lastSaid) {
      this.said.textContent = plain(view.said);
    } else if (cursor !== this.lastCursor) {
      this.said.textContent = cursor;
    }
    [this.lastSaid, this.lastCursor] = [view.said, cursor];
    const facts = [`${duration(view.seconds(viewport.to - viewport.from))} seen of ${duration(view.seconds(data.until))}`];
    if (about?.growing) {
      facts.push(view.hasEnded ? 'the session has ended' : `${thousands(about.events)} events so far …`);
    }
    if (about && about.lost > 0) {
      facts.push(`${thousands(about.lost)} records lost`);
    }
    const failure = view.hasEnded ? undefined : data.failure;
    this.right.textContent = failure ?? facts.join(' · ');
    this.right.classList.toggle('failure', failure !== undefined);
  }

  /** Where the cursor is, and what is there. */
  private cursorText(): string {
    const { cursor, data } = this.view;
    const lane = cursor ? data.lanes.get(cursor.lane) : undefined;
    if (!cursor || !lane) {
      return '';
    }
    const hit = this.view.at(cursor);
    const at = `${lane.name} at ${moment(this.view.seconds(cursor.time))}`;
    if (!hit) {
      return at;
    }
    const { title, facts } = describe(lane, hit, { lanes: data.lanes, frequency: data.frequency, until: data.until });
    return `${title}, ${facts.map(([what, value]) => `${what} ${value}`).join(', ')}`;
  }
}

function thousands(value: number): string {
  return value.toLocaleString('en-US');
}
