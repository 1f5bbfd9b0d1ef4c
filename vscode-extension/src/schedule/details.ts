/** What is below the lanes: the table that tells what they show, what a selection measures, and why a vCPU did not run. */
import type { TraceStats } from '../protocol/trace-stats';
import type { Why } from '../protocol/why';
import { messageOf } from './data';
import { describe } from './describe';
import { button, element, table } from './dom';
import { timeInStates } from './model';
import { BLOCKED, causeName, HYPERVISOR, LOST, OFFLINE, RUNNABLE, RUNNING, stateName, UNKNOWN } from './span';
import { duration, moment, percent } from './time';
import type { View } from './view';
import type { Viewport } from './viewport';

type Page = 'lanes' | 'selection' | 'why';
const PAGES: Record<Page, string> = { lanes: 'Table', selection: 'Selection', why: 'Why not running?' };

/** At most so often the table is made anew, and so long a selection must stay before it is measured, in milliseconds. */
const TABLE_EVERY = 300;
const STEADY = 200;
/** Spans of the cursor's lane that the table lists. */
const MOST_SPANS = 100;

export class Details {
  readonly root: HTMLElement;
  private page: Page = 'lanes';
  private readonly tabs = new Map<Page, HTMLButtonElement>();
  private readonly panels = new Map<Page, HTMLElement>();
  private tableTimer: ReturnType<typeof setTimeout> | undefined;
  private measureTimer: ReturnType<typeof setTimeout> | undefined;
  private measured: Viewport | undefined;

  constructor(private readonly view: View) {
    for (const page of Object.keys(PAGES) as Page[]) {
      const tab = button(PAGES[page], PAGES[page], () => {
        this.open(page);
      });
      tab.setAttribute('role', 'tab');
      this.tabs.set(page, tab);
      this.panels.set(page, element('div', { role: 'tabpanel', class: `panel ${page}`, 'aria-label': PAGES[page], tabindex: '0' }));
    }
    this.panels.get('selection')?.replaceChildren('Drag along the axis, or with Shift over the lanes; by keys: Shift and ← or →.');
    this.panels.get('why')?.replaceChildren('Click where a vCPU does not run, or put the cursor there, and press Y.');
    const close = button('×', 'Close (Escape)', () => {
      this.close();
    });
    const bar = element('div', { role: 'tablist', class: 'tabs' }, ...this.tabs.values(), element('span', { class: 'gap' }), close);
    this.root = element('section', { class: 'details', 'aria-label': 'Details' }, bar, ...this.panels.values());
    this.close();
    view.onChange(() => {
      this.follow();
    });
  }

  /** Shows one of the pages, or closes it when it is shown. */
  toggle(page: Page): void {
    if (this.isOpen && this.page === page) {
      this.close();
    } else {
      this.open(page);
    }
  }

  close(): void {
    this.root.classList.add('closed');
    this.mark(undefined);
  }

  get isOpen(): boolean {
    return !this.root.classList.contains('closed');
  }

  /** Asks why the cursor's vCPU was not running, and tells. */
  async why(): Promise<void> {
    const { cursor, data, source } = this.view;
    const panel = this.panels.get('why');
    if (!panel) {
      return;
    }
    this.open('why');
    if (!cursor || data.lanes.get(cursor.lane)?.kind !== 'vcpu') {
      panel.replaceChildren('Put the cursor on a vCPU first: click there, or use the arrow keys.');
      return;
    }
    try {
      const answer = await source.request('why', { lane: cursor.lane, time: Math.round(data.base + cursor.time) });
      panel.replaceChildren(...whyNodes(answer));
      this.view.say(answer.sentence);
    } catch (error) {
      panel.replaceChildren(messageOf(error));
      this.view.say(messageOf(error));
    }
  }

  private open(page: Page): void {
    this.page = page;
    this.root.classList.remove('closed');
    this.mark(page);
    this.follow();
  }

  private mark(open: Page | undefined): void {
    for (const [page, tab] of this.tabs) {
      tab.setAttribute('aria-selected', String(page === open));
      // The table stays for screen readers; the others are not there when they are not seen.
      this.panels.get(page)?.classList.toggle('hidden', page !== open);
    }
  }

  private follow(): void {
    const { selection } = this.view;
    this.tableTimer ??= setTimeout(() => {
      this.tableTimer = undefined;
      this.tell();
    }, TABLE_EVERY);
    if (selection?.from === this.measured?.from && selection?.to === this.measured?.to) {
      return;
    }
    this.measured = selection;
    clearTimeout(this.measureTimer);
    if (selection) {
      this.open('selection');
      this.panels.get('selection')?.replaceChildren(this.measure(selection), 'counting …');
      this.measureTimer = setTimeout(() => void this.count(selection), STEADY);
    }
  }

  private measure({ from, to }: Viewport): HTMLElement {
    const { view } = this;
    const length = view.seconds(to - from);
    const text = `${duration(length)} from ${moment(view.seconds(from))} to ${moment(view.seconds(to))} · ${(1 / length).toPrecision(4)} Hz`;
    return element('p', { class: 'measured' }, text);
  }

  private async count(selection: Viewport): Promise<void> {
    const panel = this.panels.get('selection');
    const { data, source } = this.view;
    const bounds = { from: Math.round(data.base + selection.from), to: Math.round(data.base + selection.to) };
    let nodes: (Node | string)[];
    try {
      nodes = statsNodes(await source.request('scheduleStats', { ...bounds, cutHalts: false }));
    } catch (error) {
      nodes = [messageOf(error)];
    }
    if (this.measured === selection) {
      panel?.replaceChildren(this.measure(selection), ...nodes);
    }
  }

  /** The table of what is seen, lane by lane. */
  private tell(): void {
    const { view } = this;
    const { data, viewport } = view;
    // Of what is seen, the part that has been recorded.
    const stretch = { from: Math.max(viewport.from, 0), to: Math.min(viewport.to, data.until) };
    const seen = view.seen().flatMap((line) => (line.kind === 'lane' ? [line.lane] : []));
    const rows = seen.map((lane) => {
      const picture = data.picture.lanes.has(lane.lane) ? data.picture : data.behind;
      const drawn = picture.lanes.get(lane.lane);
      const times = drawn ? timeInStates(drawn, picture, stretch) : [];
      const of = (...states: number[]) => percent(states.reduce((sum, state) => sum + (times[state] ?? 0), 0), stretch.to - stretch.from);
      const hit = view.cursor ? view.at({ lane: lane.lane, time: view.cursor.time }) : undefined;
      const now = hit?.kind === 'span' ? stateName(hit.state, lane.kind) : '';
      return [lane.name, of(RUNNING, HYPERVISOR), of(RUNNABLE), of(BLOCKED), of(OFFLINE), of(LOST, UNKNOWN), now];
    });
    const [from, to] = [moment(view.seconds(stretch.from)), moment(view.seconds(stretch.to))];
    const head = ['Lane', 'Running', 'Waiting for a core', 'Blocked or idle', 'Offline', 'Not known', 'At the cursor'];
    this.panels.get('lanes')?.replaceChildren(table(`From ${from} to ${to}`, head, rows), ...this.spansAtCursor());
  }

  /** The spans of the cursor's lane that are seen, where they are known one by one. */
  private spansAtCursor(): Node[] {
    const { view } = this;
    const { data, viewport, cursor } = view;
    const lane = cursor ? data.picture.lanes.get(cursor.lane) : undefined;
    if (!lane?.spans) {
      return [];
    }
    const { starts, states, parties, causes } = lane.spans;
    const rows: string[][] = [];
    for (let span = 0; span < states.length && rows.length < MOST_SPANS; span++) {
      const [from = 0, to = 0] = [starts[span], starts[span + 1]];
      if (to > viewport.from && from < viewport.to) {
        const state = states[span] ?? UNKNOWN;
        const hit = { kind: 'span', from, to, state, party: parties[span] ?? 0, cause: causes[span] ?? 0, flags: 0 } as const;
        const around = { lanes: data.lanes, frequency: data.frequency, until: data.until };
        const party = describe(lane.info, hit, around).facts.find(([what]) => ['on', 'core', 'carries'].includes(what));
        rows.push([moment(view.seconds(from)), duration(view.seconds(to - from)), stateName(state, lane.info.kind), party?.[1] ?? '', causeName(hit.cause)]);
      }
    }
    return [table(`${lane.info.name}, span by span`, ['Since', 'For', 'State', 'With', 'Because'], rows)];
  }
}

function whyNodes(why: Why): Node[] {
  const nanoseconds = (value: number) => duration(value / 1e9);
  const spans = why.spans.map((span) => [
    moment(span.fromNs / 1e9),
    nanoseconds(span.durationNs),
    span.state,
    span.pcpu === undefined ? '' : `pCPU ${span.pcpu}`,
    [span.cause, span.by].filter((text) => text !== undefined).join(' by '),
  ]);
  const nodes: Node[] = [element('p', { class: 'sentence' }, why.sentence)];
  if (why.core.length > 0) {
    const rows = why.core.map((one) => [one.who, nanoseconds(one.durationNs), String(one.runs)]);
    nodes.push(table(`Meanwhile on pCPU ${why.pcpu ?? 0}`, ['Who', 'How long', 'Spans'], rows));
  }
  nodes.push(table(`${why.vcpu} before, then and next`, ['Since', 'For', 'State', 'Core', 'Because'], spans));
  return nodes;
}

function statsNodes(stats: TraceStats): Node[] {
  const whole = stats.countedNs;
  const nanoseconds = (value: number) => duration(value / 1e9);
  const head = ['', 'Running', 'Waiting', 'Blocked', 'Wake to run p50', 'p99', 'longest', 'Longest run', 'Migrations'];
  const rowOf = (row: TraceStats['vms'][number]) => {
    const all = whole * row.vcpus;
    const { running, hypervisor, runnable, blocked } = row.states;
    const latency = row.wakeToRun.count > 0 ? [row.wakeToRun.p50Ns, row.wakeToRun.p99Ns, row.wakeToRun.maxNs].map(nanoseconds) : ['', '', ''];
    const shares = [running + hypervisor, runnable, blocked].map((part) => percent(part, all));
    return [row.name, ...shares, ...latency, row.runs.count > 0 ? nanoseconds(row.runs.maxNs) : '', String(row.migrations)];
  };
  const cores = stats.pcpus.map((core) => [
    `pCPU ${core.pcpu}`,
    percent(core.states.running + core.states.hypervisor, whole),
    percent(core.states.blocked, whole),
    percent(core.states.lost + core.states.unknown, whole),
    String(core.switches),
  ]);
  const preemptions = stats.preemptions.map((one) => [one.victim, one.by ?? 'not known', String(one.count), nanoseconds(one.waitedNs)]);
  return [
    table('VMs and vCPUs', head, [...stats.vms, ...stats.vcpus].map(rowOf)),
    table('Cores', ['', 'Running', 'Idle', 'Not known', 'Switches'], cores),
    ...(preemptions.length > 0 ? [table('Preemptions', ['Who waited', 'Who got the core', 'Times', 'Waited'], preemptions)] : []),
  ];
}
