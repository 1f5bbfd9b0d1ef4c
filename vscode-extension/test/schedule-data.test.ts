import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Schedule } from '../src/protocol/schedule';
import type { ScheduleArguments } from '../src/protocol/schedule.arguments';
import type { TraceAbout } from '../src/protocol/trace-about';
import { Data } from '../src/schedule/data';
import type { Notice } from '../src/schedule/messages';
import type { Source } from '../src/schedule/source';
import { View } from '../src/schedule/view';

/** A machine with one core whose recording begins at `first`; answers take a moment. */
class Machine implements Source {
  readonly hasThreads = true;
  readonly asked: ScheduleArguments[] = [];
  about: TraceAbout = { title: 'x', growing: true, events: 1, lost: 0, lanes: 2 };
  first = 1000;
  until = 2000;
  mostAtOnce = 0;
  tell: (notice: Notice) => void = () => undefined;
  private now = 0;

  async request(command: string, wanted: object): Promise<never> {
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.now);
    await sleep(5);
    this.now -= 1;
    return (command === 'traceInfo' ? this.about : this.schedule(wanted)) as never;
  }

  private schedule(wanted: ScheduleArguments): Schedule {
    this.asked.push(wanted);
    const { from = this.first, to = this.until, width = 1000 } = wanted;
    const kindOf = (lane: number) => (lane === 0 ? 'machine' : 'pcpu');
    const lanes = (wanted.lanes ?? [0, 1]).map((lane) => ({ lane, kind: kindOf(lane), name: `lane ${lane}` }) as const);
    return { frequency: 1e6, first: this.first, until: this.until, from, to, width, lanes };
  }

  onNotice(listener: (notice: Notice) => void): void {
    this.tell = listener;
  }

  signal(): void {
    // Nobody is told.
  }

  save(): void {
    // Nothing is kept.
  }

  saved(): unknown {
    return undefined;
  }
}

async function opened(machine = new Machine()) {
  const data = new Data(machine, () => undefined);
  await data.open();
  return { machine, data };
}

test('of many wishes the last is asked for, one at a time', async () => {
  const { machine, data } = await opened();
  machine.asked.length = 0;
  for (let wish = 0; wish < 50; wish++) {
    data.want({ from: wish, to: wish + 500 }, 800, [1]);
    await sleep(1);
  }
  await sleep(400);
  const windows = machine.asked.filter(({ from }) => from !== machine.first || machine.asked.length === 1);
  assert.ok(machine.asked.length < 12, `${machine.asked.length} questions`);
  assert.equal(windows.at(-1)?.from, 1049);
  assert.deepEqual(data.picture.from, 49);
  assert.equal(machine.mostAtOnce, 1);
  assert.ok(machine.asked.every(({ width, lanes, packed }) => width === 800 && (lanes?.length ?? 9) <= 2 && packed === true));
});

test('the same is not asked for twice', async () => {
  const { machine, data } = await opened();
  data.want({ from: 0, to: 500 }, 800, [1]);
  await sleep(200);
  const count = machine.asked.length;
  data.want({ from: 0, to: 500 }, 800, [1]);
  await sleep(200);
  assert.equal(machine.asked.length, count);
});

test('another recording is taken for another', async () => {
  const { machine, data } = await opened();
  data.want({ from: 0, to: 500 }, 800, [1]);
  await sleep(200);
  [machine.first, machine.until] = [5000, 5500];
  await data.grown(5500);
  // All of the time is asked for once a second while it grows.
  await sleep(1500);
  assert.deepEqual([data.base, data.until], [5000, 500]);
});

test('where nothing is recorded, nobody asks again until there is something', async () => {
  const machine = new Machine();
  machine.about = { ...machine.about, growing: false, lanes: 0 };
  const { data } = await opened(machine);
  assert.equal(data.failure, 'nothing is recorded yet');
  await sleep(600);
  assert.equal(machine.asked.length, 0);
  machine.about = { ...machine.about, growing: true, lanes: 2 };
  await data.grown(1500);
  assert.deepEqual([data.failure, data.lanes.size, data.until], [undefined, 2, 1000]);
});

test('that it is recorded now is seen before anything is known of it', async () => {
  const machine = new Machine();
  machine.about = { ...machine.about, growing: false, lanes: 0 };
  const view = new View(machine);
  await view.open();
  machine.about = { ...machine.about, growing: true };
  machine.tell({ event: 'recording', body: {} });
  await sleep(100);
  assert.deepEqual([view.data.about?.growing, view.data.failure], [true, undefined]);
  machine.about = { ...machine.about, lanes: 2 };
  await sleep(600);
  assert.equal(view.data.lanes.size, 2);
});
