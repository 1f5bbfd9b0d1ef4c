/** What is seen and what the user does to it. Knows no elements: canvas, toolbar, keys and panels all act on this. */
import type { ScheduleFindArguments } from '../protocol/schedule-find.arguments';
import { Data, messageOf } from './data';
import { hit, type Hit, type LaneInfo, type LanePicture } from './model';
import { heightOf, linesBetween, linesOf, type Line } from './rows';
import type { Notice } from './messages';
import type { Source } from './source';
import { duration } from './time';
import { clamped, framing, panned, showing, whole, zoomed, type Viewport } from './viewport';

/** How much is seen when the view begins to follow a machine, in seconds. */
const FOLLOWED = 5;

/** At most so often it is kept what is seen, in milliseconds. */
const SAVED_EVERY = 300;

/** What can be looked for. */
export type What = ScheduleFindArguments['what'];

/** What is kept when the page is hidden. */
interface Kept {
  viewport?: Viewport;
  scrolled?: number;
  withTasks?: boolean;
}

/** A moment in a lane. */
export interface Place {
  readonly lane: number;
  readonly time: number;
}

export class View {
  readonly data: Data;
  viewport: Viewport = { from: 0, to: 1 };
  lines: readonly Line[] = [];
  isLive = false;
  withTasks = false;
  cursor: Place | undefined;
  selection: Viewport | undefined;
  halt: number | undefined;
  hasEnded = false;
  /** What was done last, in words. */
  said = '';
  /** How far the lines are moved up, and how much room there is for them, in CSS pixels. */
  scrolled = 0;
  room = { width: 1, height: 1 };
  private isPlaced = false;
  /** All there is, is seen: it still shall be when there is more. */
  private isWhole = false;
  private saving: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners: (() => void)[] = [];

  constructor(readonly source: Source) {
    this.data = new Data(source, () => {
      this.dataChanged();
    });
    const kept = (source.saved() ?? {}) as Kept;
    if (kept.viewport) {
      [this.viewport, this.isPlaced] = [kept.viewport, true];
    }
    this.scrolled = kept.scrolled ?? 0;
    this.withTasks = kept.withTasks ?? false;
    source.onNotice((notice) => {
      this.notice(notice);
    });
  }

  /** Begins. */
  async open(): Promise<void> {
    if (this.withTasks) {
      await this.data.showTasks(true);
    }
    await this.data.open();
    this.source.signal({ signal: 'ready' });
  }

  /** Calls back whenever something else is to be shown. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Seconds since the beginning. */
  seconds(ticks: number): number {
    return ticks / this.data.frequency;
  }

  /** The lines that are seen. */
  seen(): Line[] {
    return linesBetween(this.lines, this.scrolled, this.scrolled + this.room.height);
  }

  /** The lane with this number, as drawn. */
  drawn(lane: number): LanePicture | undefined {
    return this.data.picture.lanes.get(lane) ?? this.data.behind.lanes.get(lane);
  }

  /** What a lane shows at a moment. */
  at({ lane, time }: Place): Hit | undefined {
    const { picture, behind } = this.data;
    return hit(picture.lanes.get(lane), picture, time) ?? hit(behind.lanes.get(lane), behind, time);
  }

  resize(width: number, height: number): void {
    this.room = { width, height };
    this.scroll(this.scrolled);
  }

  scroll(to: number): void {
    this.scrolled = Math.max(0, Math.min(to, heightOf(this.lines) - this.room.height));
    this.changed();
  }

  /** Shows this stretch, as far as there is one. */
  look(viewport: Viewport): void {
    this.viewport = clamped(viewport, this.data.until);
    this.changed();
  }

  fit(): void {
    this.isLive = false;
    this.look(whole(this.data.until));
  }

  /** `factor` times as much time, around a moment; without one around the cursor, else the middle. */
  zoom(factor: number, at?: number): void {
    const { from, to } = this.viewport;
    const cursor = this.cursor && this.cursor.time >= from && this.cursor.time <= to ? this.cursor.time : undefined;
    this.look(zoomed(this.viewport, factor, at ?? (this.isLive ? to : (cursor ?? (from + to) / 2))));
  }

  pan(part: number): void {
    this.isLive = false;
    this.look(panned(this.viewport, part));
  }

  follow(isLive: boolean): void {
    this.isLive = isLive;
    if (isLive) {
      const length = Math.min(this.viewport.to - this.viewport.from, FOLLOWED * this.data.frequency);
      this.viewport = { from: this.viewport.to - length, to: this.viewport.to };
      this.keepUp();
    }
    this.changed();
  }

  async showTasks(withTasks: boolean): Promise<void> {
    this.withTasks = withTasks;
    await this.data.showTasks(withTasks);
  }

  /** Selects a stretch; one without length is none. */
  select(selection: Viewport | undefined): void {
    const [from, to] = selection ? [Math.min(selection.from, selection.to), Math.max(selection.from, selection.to)] : [0, 0];
    this.selection = to > from ? { from: Math.max(0, from), to: Math.min(to, this.data.until) } : undefined;
    if (this.selection && this.selection.to <= this.selection.from) {
      this.selection = undefined;
    }
    this.changed();
  }

  /** Puts the cursor on a lane and a moment, and shows both. */
  place(place: Place | undefined): void {
    this.cursor = place;
    if (place) {
      this.reveal(place.lane);
      this.viewport = clamped(showing(this.viewport, place.time), this.data.until);
    }
    this.changed();
  }

  /** The lane above or below. */
  moveLane(by: number): void {
    const lanes = this.lines.flatMap((line) => (line.kind === 'lane' ? [line.lane.lane] : []));
    const now = this.cursor ? lanes.indexOf(this.cursor.lane) : -1;
    const lane = lanes[Math.min(Math.max(now < 0 ? 0 : now + by, 0), lanes.length - 1)];
    const { from, to } = this.viewport;
    const time = this.cursor?.time ?? Math.min(Math.max((from + to) / 2, 0), this.data.until);
    if (lane !== undefined) {
      this.place({ lane, time });
    }
  }

  /** Moves the cursor to where its lane next, or last, did something; with `extends` the selection goes along. */
  async moveTime(direction: 'forward' | 'backward', isExtending: boolean): Promise<void> {
    const start = this.cursor;
    if (!start) {
      this.moveLane(0);
      return;
    }
    const found = await this.ask({ what: 'change', direction, lane: start.lane, from: start.time });
    const time = found?.time ?? (direction === 'forward' ? this.data.until : 0);
    const fixed = this.selection?.from === start.time ? this.selection.to : (this.selection?.from ?? start.time);
    this.place({ lane: start.lane, time });
    if (isExtending) {
      this.select({ from: fixed, to: time });
    }
  }

  /** Looks for the next, or the last, such thing from the cursor on: in its lane, or in every vCPU's. */
  async find(what: What, seconds: number, direction: 'forward' | 'backward', everywhere: boolean): Promise<void> {
    const lane = everywhere ? undefined : this.cursor?.lane;
    const from = this.cursor?.time ?? (direction === 'forward' ? this.viewport.from : this.viewport.to);
    const ticks = Math.round(seconds * this.data.frequency);
    const found = await this.ask({ what, direction, ticks, from, ...(lane === undefined ? {} : { lane }) });
    if (!found) {
      const where = lane === undefined ? 'any vCPU' : (this.data.lanes.get(lane)?.name ?? 'the lane');
      this.say(`None ${direction === 'forward' ? 'later' : 'earlier'} in ${where}.`);
      return;
    }
    this.isLive = false;
    this.cursor = { lane: found.lane, time: found.time };
    this.viewport = clamped(framing(this.viewport, found.time, found.until), this.data.until);
    this.reveal(found.lane);
    this.select({ from: found.time, to: found.until });
    this.say(`${this.data.lanes.get(found.lane)?.name ?? ''}: ${duration(this.seconds(found.until - found.time))}`);
  }

  /** Tells the host that the thread of a lane shall get the focus. */
  focus(lane: LaneInfo): void {
    if (lane.index !== undefined && (lane.kind === 'pcpu' || lane.kind === 'vcpu')) {
      this.source.signal({ signal: 'focus', index: lane.index, ...(lane.guest === undefined ? {} : { guest: lane.guest }) });
    }
  }

  say(text: string): void {
    this.said = text;
    this.changed();
  }

  private async ask(wanted: ScheduleFindArguments): Promise<{ lane: number; time: number; until: number } | undefined> {
    const { base } = this.data;
    try {
      const from = Math.max(0, Math.round(base + wanted.from));
      const { lane, time, until } = await this.source.request('scheduleFind', { ...wanted, from });
      const isFound = lane !== undefined && time !== undefined && until !== undefined;
      return isFound ? { lane, time: time - base, until: until - base } : undefined;
    } catch (error) {
      this.say(messageOf(error));
      return undefined;
    }
  }

  /** Scrolls as little as needed so that a lane is seen. */
  private reveal(lane: number): void {
    const line = this.lines.find((one) => one.kind === 'lane' && one.lane.lane === lane);
    if (line && (line.y < this.scrolled || line.y + line.height > this.scrolled + this.room.height)) {
      this.scrolled = Math.max(0, Math.min(line.y - this.room.height / 3, heightOf(this.lines) - this.room.height));
    }
  }

  private notice(notice: Notice): void {
    switch (notice.event) {
      case 'scheduleChanged':
        void this.data.grown(notice.body.until);
        break;
      case 'recording':
        void this.data.open();
        break;
      case 'halted':
        this.halt = notice.body.halted ? this.data.until : undefined;
        this.changed();
        break;
      case 'show':
        this.show(notice.body.guest, notice.body.index);
        break;
      case 'ended':
        this.hasEnded = true;
        this.isLive = false;
        this.changed();
        break;
    }
  }

  private show(guest: number | undefined, index: number): void {
    const kind = guest === undefined ? 'pcpu' : 'vcpu';
    const lane = [...this.data.lanes.values()].find((one) => one.kind === kind && one.guest === guest && one.index === index);
    if (lane) {
      this.place({ lane: lane.lane, time: this.cursor?.time ?? this.halt ?? this.data.until });
    }
  }

  private dataChanged(): void {
    this.lines = linesOf([...this.data.lanes.values()], this.withTasks);
    if (!this.isPlaced && this.data.lanes.size > 0) {
      this.isPlaced = true;
      this.viewport = whole(this.data.until);
      this.isWhole = true;
    }
    this.keepUp();
    this.changed();
  }

  private keepUp(): void {
    const { until } = this.data;
    const length = this.viewport.to - this.viewport.from;
    if (this.isLive) {
      this.viewport = { from: until - length * 0.97, to: until + length * 0.03 };
    } else if (this.isWhole && this.data.about?.growing !== undefined) {
      this.viewport = whole(until);
    }
  }

  private changed(): void {
    const all = whole(this.data.until);
    this.isWhole = Math.abs(all.from - this.viewport.from) + Math.abs(all.to - this.viewport.to) < (all.to - all.from) * 0.001;
    const lanes = this.seen().flatMap((line) => (line.kind === 'lane' ? [line.lane.lane] : []));
    this.data.want(this.viewport, this.room.width, lanes);
    this.saving ??= setTimeout(() => {
      this.saving = undefined;
      this.source.save({ viewport: this.viewport, scrolled: this.scrolled, withTasks: this.withTasks } satisfies Kept);
    }, SAVED_EVERY);
    for (const listener of this.listeners) {
      listener();
    }
  }
}
