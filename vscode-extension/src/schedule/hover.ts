/** The card beside the pointer: what is there, since when, for how long, and who else was on a core. */
import { describe, marksBetween, others, type Around } from './describe';
import { element } from './dom';
import type { LaneInfo } from './model';
import type { View } from './view';

/** Marks that the card lists. */
const MOST_MARKS = 4;
/** How near the pointer a mark must be, in pixels. */
const NEAR = 4;

export class HoverCard {
  readonly root = element('div', { class: 'card', role: 'presentation', hidden: '' });

  constructor(private readonly view: View) {}

  hide(): void {
    this.root.hidden = true;
  }

  /** Shows what a lane does at a tick, beside a point of the stage `room` in size. */
  show(lane: LaneInfo, time: number, point: { x: number; y: number }, room: { width: number; height: number }): void {
    const { data, viewport } = this.view;
    const around: Around = { lanes: data.lanes, frequency: data.frequency, until: data.until };
    const hit = this.view.at({ lane: lane.lane, time });
    if (!hit) {
      this.hide();
      return;
    }
    const { title, facts } = describe(lane, hit, around);
    const elsewhere = others(lane, time, data.picture, (other) => this.view.at({ lane: other, time }), around);
    const near = ((viewport.to - viewport.from) / room.width) * NEAR;
    const marks = marksBetween(this.view.drawn(lane.lane)?.marks, time - near, time + near, MOST_MARKS, around);
    const lines = [...facts, ...elsewhere].map(([what, value]) => element('div', {}, element('span', {}, what), ' ', value));
    this.root.replaceChildren(element('strong', {}, title), ...lines, ...marks.map((mark) => element('div', { class: 'mark' }, mark)));
    this.root.hidden = false;
    const { offsetWidth, offsetHeight } = this.root;
    const [right, below] = [point.x + 14, point.y + 14];
    this.root.style.left = `${right + offsetWidth > room.width ? Math.max(0, point.x - offsetWidth - 10) : right}px`;
    this.root.style.top = `${below + offsetHeight > room.height ? Math.max(0, point.y - offsetHeight - 10) : below}px`;
  }
}
