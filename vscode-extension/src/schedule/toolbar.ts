/** The buttons above the view: each does what a key does, too. */
import { button, element } from './dom';
import type { Details } from './details';
import type { Format } from './messages';
import { readDuration } from './time';
import type { View, What } from './view';

const THINGS: Record<What, string> = {
  preempted: 'preemption',
  'wait-longer-than': 'wait longer than',
  'run-longer-than': 'run longer than',
  migrated: 'migration',
  'deadline-missed': 'missed deadline',
  'not-known': 'loss or doubt',
  change: 'change',
};
const USUAL_LENGTH = '5 ms';

export class Toolbar {
  readonly root: HTMLElement;
  private readonly what = element('select', { 'aria-label': 'What to look for' });
  private readonly length = element('input', { type: 'text', size: '6', value: USUAL_LENGTH, 'aria-label': 'How long at least, such as 5 ms' });
  private readonly everywhere = element('input', { type: 'checkbox' });
  private readonly live: HTMLButtonElement;
  private readonly tasks: HTMLButtonElement;
  private readonly exports = element('select', { 'aria-label': 'Export what is selected, or else what is seen', title: 'Export' });

  constructor(
    private readonly view: View,
    details: Details,
    help: () => void,
  ) {
    for (const [value, text] of Object.entries(THINGS)) {
      this.what.append(element('option', { value }, text));
    }
    this.what.addEventListener('change', () => {
      this.update();
    });
    this.live = button('● Live', 'Follow what is recorded (L)', () => {
      view.follow(!view.isLive);
    });
    this.tasks = button('Tasks', 'Show the lanes of guests’ tasks', () => void view.showTasks(!view.withTasks));
    this.fillExports();
    this.root = element(
      'div',
      { class: 'toolbar', role: 'toolbar', 'aria-label': 'Schedule' },
      button('All', 'Show all of the time (F)', () => {
        view.fit();
      }),
      button('−', 'Zoom out (S)', () => {
        view.zoom(1.5);
      }),
      button('+', 'Zoom in (W)', () => {
        view.zoom(1 / 1.5);
      }),
      this.live,
      element('span', { class: 'group' }, 'Find', this.what, this.length, element('label', {}, this.everywhere, 'any vCPU')),
      button('◀', 'The one before (P)', () => void this.find('backward')),
      button('▶', 'The next one (N)', () => void this.find('forward')),
      button('Why?', 'Why did this vCPU not run here? (Y)', () => void details.why()),
      button('Table', 'The same as a table (T)', () => {
        details.toggle('lanes');
      }),
      this.tasks,
      element('span', { class: 'gap' }),
      this.exports,
      button('?', 'All keys (?)', help),
    );
    view.onChange(() => {
      this.update();
    });
    this.update();
  }

  /** Looks for what is chosen. */
  async find(direction: 'forward' | 'backward'): Promise<void> {
    const seconds = readDuration(this.length.value);
    if (seconds === undefined && this.hasLength()) {
      this.view.say(`“${this.length.value}” is no length of time: write 5 ms, 200 us or 1 s.`);
      this.length.focus();
      return;
    }
    const isAny = this.everywhere.checked || this.view.cursor === undefined;
    await this.view.find(this.what.value as What, this.hasLength() ? (seconds ?? 0) : 0, direction, isAny);
  }

  private hasLength(): boolean {
    return this.what.value.endsWith('-longer-than');
  }

  private update(): void {
    const { view } = this;
    this.length.hidden = !this.hasLength();
    this.live.hidden = view.data.about?.growing !== true || view.hasEnded;
    press(this.live, view.isLive);
    press(this.tasks, view.withTasks);
    this.tasks.hidden = view.data.about === undefined || (view.data.about.lanes <= view.data.lanes.size && !view.withTasks);
  }

  private fillExports(): void {
    const formats: [Format, string][] = [
      ['perfetto', 'Perfetto'],
      ['chrome', 'Chrome JSON'],
      ['csv', 'CSV'],
    ];
    const options = formats.map(([value, text]) => element('option', { value }, text));
    this.exports.append(element('option', { value: '' }, 'Export …'), ...options);
    this.exports.addEventListener('change', () => {
      const { data, selection, viewport } = this.view;
      const { from, to } = selection ?? viewport;
      const tick = (time: number) => Math.round(data.base + Math.min(Math.max(time, 0), data.until));
      this.view.source.signal({ signal: 'export', format: this.exports.value as Format, from: tick(from), to: tick(to) });
      this.exports.value = '';
    });
  }
}

/** Says whether a button is pressed, where that is news: else every frame would be laid out anew. */
function press(button: HTMLButtonElement, isPressed: boolean): void {
  if (button.getAttribute('aria-pressed') !== String(isPressed)) {
    button.setAttribute('aria-pressed', String(isPressed));
  }
}
