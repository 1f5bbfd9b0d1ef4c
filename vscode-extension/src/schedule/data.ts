/** What is known of the schedule: asked for as needed, no oftener than it can be drawn, and the newest wish first. */
import type { TraceAbout } from '../protocol/trace-about';
import { pictureOf, type LaneInfo, type Picture } from './model';
import type { Source } from './source';
import type { Viewport } from './viewport';

/** At most so often a window is asked for while the view moves, in milliseconds. */
const EVERY = 100;
/** At most so often all of the time is asked for while it grows. */
const BEHIND_EVERY = 1000;
/** So long it takes until an answer that could not be given is asked for again. */
const AGAIN = 400;
/** Cores in the overview. */
const MOST_CORES = 16;
const MACHINE = 0;

const NOTHING: Picture = { from: 0, to: 0, width: 1, lanes: new Map() };

/** What shall be seen. */
interface Wish {
  readonly viewport: Viewport;
  readonly width: number;
  readonly lanes: readonly number[];
}

/** The schedule, as far as it was asked for. */
export class Data {
  /** Ticks a second. */
  frequency = 1e9;
  /** The tick that all others are counted from. */
  base = 0;
  /** Up to where it is known. */
  until = 0;
  about: TraceAbout | undefined;
  /** Why there is nothing, or nothing more. */
  failure: string | undefined;
  lanes: ReadonlyMap<number, LaneInfo> = new Map<number, LaneInfo>();
  /** The window asked for last. */
  picture: Picture = NOTHING;
  /** All of the time for the same lanes and the cores. */
  behind: Picture = NOTHING;

  private withTasks = false;
  private wish: Wish | undefined;
  private asked = '';
  private isAsking = false;
  private behindAsked = '';
  private behindAt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private listed = 0;

  /** `changed` is called whenever there is something else to draw. */
  constructor(
    private readonly source: Source,
    private readonly changed: () => void,
  ) {}

  /** Asks what there is; of what is still being read, again and again until there is something. */
  async open(): Promise<void> {
    await this.refresh();
    if (this.lanes.size === 0 && this.about?.growing === true) {
      setTimeout(() => void this.open(), AGAIN);
    }
  }

  /** Shows lanes of tasks, or not. */
  async showTasks(withTasks: boolean): Promise<void> {
    this.withTasks = withTasks;
    this.listed = 0;
    await this.refresh();
  }

  /** There is more, up to a tick. */
  async grown(until: number): Promise<void> {
    const before = this.until;
    this.until = Math.max(this.until, until - this.base);
    if (this.wish && this.wish.viewport.to > before) {
      this.asked = '';
    }
    await this.refresh();
    this.ask();
  }

  /** What shall be seen from now on. */
  want(viewport: Viewport, width: number, lanes: readonly number[]): void {
    this.wish = { viewport, width: Math.max(1, Math.round(width)), lanes };
    this.ask();
  }

  private async refresh(): Promise<void> {
    try {
      this.about = await this.source.request('traceInfo', {});
      if (this.about.lanes !== this.listed) {
        await this.list(this.about);
      }
      this.failure = failureOf(this.about);
    } catch (error) {
      this.failure = messageOf(error);
    }
    this.changed();
  }

  private async list(about: TraceAbout): Promise<void> {
    const all = this.withTasks ? { lanes: Array.from({ length: about.lanes }, (_, lane) => lane) } : {};
    const list = await this.source.request('schedule', { width: 1, packed: true, ...all });
    if (list.first !== this.base) {
      // Another recording than before.
      [this.picture, this.behind, this.asked, this.behindAsked] = [NOTHING, NOTHING, '', ''];
    }
    this.base = list.first;
    this.frequency = list.frequency;
    this.until = list.until - list.first;
    const { lanes } = pictureOf(list, list.first);
    this.lanes = new Map([...lanes].map(([lane, { info }]) => [lane, info]));
    this.listed = about.lanes;
  }

  /** Asks for what is wished, when it is time. */
  private ask(): void {
    if (this.isAsking || this.timer !== undefined || !this.wish || this.lanes.size === 0) {
      return;
    }
    const wanted = this.argumentsOf(this.wish);
    const key = JSON.stringify(wanted);
    if (key === this.asked) {
      this.askBehind(this.wish);
      return;
    }
    this.asked = key;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.ask();
    }, EVERY);
    void this.exchange(wanted, (picture) => {
      this.picture = picture;
    });
  }

  private argumentsOf({ viewport, width, lanes }: Wish) {
    const from = Math.max(0, Math.floor(this.base + viewport.from));
    const to = Math.max(from + 1, Math.ceil(this.base + viewport.to));
    return { from, to, width, lanes: [MACHINE, ...lanes] };
  }

  /** Asks for all of the time, when other lanes are seen or it has grown. */
  private askBehind({ width, lanes }: Wish): void {
    const cores = [...this.lanes.values()].filter((lane) => lane.kind === 'pcpu').slice(0, MOST_CORES);
    const all = [...new Set([MACHINE, ...cores.map((core) => core.lane), ...lanes])];
    const key = `${all.join()} ${this.until} ${width}`;
    const wait = this.behindAt + BEHIND_EVERY - performance.now();
    if (key === this.behindAsked) {
      return;
    }
    if (wait > 0 && this.behind.width > 1) {
      setTimeout(() => {
        this.ask();
      }, wait);
      return;
    }
    [this.behindAsked, this.behindAt] = [key, performance.now()];
    const wanted = { from: this.base, to: this.base + Math.max(1, this.until), width, lanes: all };
    void this.exchange(wanted, (picture) => {
      this.behind = picture;
    });
  }

  private async exchange(wanted: { from: number; to: number; width: number; lanes: number[] }, take: (picture: Picture) => void): Promise<void> {
    this.isAsking = true;
    try {
      const answer = await this.source.request('schedule', { ...wanted, packed: true });
      if (answer.first === this.base) {
        this.until = Math.max(this.until, answer.until - this.base);
        take(pictureOf(answer, this.base));
        this.failure = failureOf(this.about);
      } else {
        this.listed = 0;
        await this.refresh();
      }
    } catch (error) {
      this.failure = messageOf(error);
    } finally {
      this.isAsking = false;
    }
    this.changed();
    this.ask();
  }
}

function failureOf(about: TraceAbout | undefined): string | undefined {
  return about?.failure ?? (about?.lanes === 0 && !about.growing ? 'nothing is recorded yet' : undefined);
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
